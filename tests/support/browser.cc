#include "support/browser.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace backfill {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kAnswerMax{30};

// Both ends are ours, so that opening waits for nobody.
int open_pipe(const std::string& path) {
  if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("make the pipe " + path);
  const int pipe = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (pipe < 0) throw std::runtime_error("open the pipe " + path);
  return pipe;
}

}  // namespace

Browser::Browser()
    : to_(open_pipe((folder_ / "to").string())), from_(open_pipe((folder_ / "from").string())) {
  // DevTools reads descriptor 3 and writes to 4.
  program_ = std::make_unique<Program>(std::vector<std::string>{
      "sh", "-c",
      R"(exec chromium --headless --no-sandbox --disable-gpu --no-first-run \
         --disable-background-networking --disable-component-update --disable-sync \
         --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe \
         --user-data-dir="$0/profile" about:blank 3<"$0/to" 4>"$0/from")",
      folder_.path().string()});
  const Json targets = call("Target.getTargets")["targetInfos"];
  for (const Json& target : targets) {
    if (target["type"] != "page") continue;
    session_ = call("Target.attachToTarget",
                    {{"targetId", target["targetId"]}, {"flatten", true}})["sessionId"];
    break;
  }
  for (const char* domain : {"Page", "Network", "Runtime", "Log"})
    call(std::string(domain) + ".enable");
}

Browser::~Browser() {
  try {
    session_.clear();
    call("Browser.close");
    program_->wait(std::chrono::seconds(10));
  } catch (const std::exception&) {
    // The program ends with its object.
  }
  ::close(to_);
  ::close(from_);
}

void Browser::open(const std::filesystem::path& file) {
  is_loaded_ = false;
  call("Page.navigate", {{"url", "file://" + file.string()}});
  while (!is_loaded_) note(next_message());
}

Json Browser::evaluate(const std::string& expression) {
  const Json answer =
      call("Runtime.evaluate", {{"expression", expression}, {"returnByValue", true}});
  if (answer.contains("exceptionDetails"))
    throw std::runtime_error(expression + ": " + answer["exceptionDetails"].dump());
  return answer["result"].value("value", Json());
}

void Browser::resize(int width, int height, bool is_phone) {
  call("Emulation.setDeviceMetricsOverride", {{"width", width},
                                              {"height", height},
                                              {"deviceScaleFactor", is_phone ? 2 : 1},
                                              {"mobile", is_phone}});
}

void Browser::show_as(const std::string& media, const std::string& scheme) {
  call("Emulation.setEmulatedMedia",
       {{"media", media},
        {"features", Json::array({{{"name", "prefers-color-scheme"}, {"value", scheme}}})}});
}

void Browser::move_mouse(double x, double y) {
  call("Input.dispatchMouseEvent", {{"type", "mouseMoved"}, {"x", x}, {"y", y}});
}

Json Browser::call(const std::string& method, Json params) {
  const int id = ++calls_;
  Json message = {{"id", id}, {"method", method}, {"params", std::move(params)}};
  if (!session_.empty()) message["sessionId"] = session_;
  const std::string text = message.dump() + '\0';
  if (::write(to_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("write to the browser");
  while (true) {
    Json answer = next_message();
    if (answer.value("id", 0) != id) {
      note(answer);
      continue;
    }
    if (answer.contains("error")) throw std::runtime_error(method + ": " + answer.dump());
    return answer["result"];
  }
}

Json Browser::next_message() {
  const auto until = std::chrono::steady_clock::now() + kAnswerMax;
  std::size_t end = unread_.find('\0');
  for (; end == std::string::npos; end = unread_.find('\0')) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd wanted{from_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) <= 0)
      throw std::runtime_error("no answer from the browser: " + program_->err());
    std::array<char, 65536> bytes;
    const ssize_t count = ::read(from_, bytes.data(), bytes.size());
    if (count > 0) unread_.append(bytes.data(), static_cast<std::size_t>(count));
  }
  Json message = Json::parse(unread_.substr(0, end));
  unread_.erase(0, end + 1);
  return message;
}

void Browser::note(const Json& message) {
  const std::string method = message.value("method", "");
  const Json params = message.value("params", Json::object());
  if (method == "Page.loadEventFired") is_loaded_ = true;
  if (method == "Network.requestWillBeSent") requests_.push_back(params["request"]["url"]);
  if (method == "Runtime.consoleAPICalled" || method == "Runtime.exceptionThrown" ||
      method == "Log.entryAdded" || method == "Page.javascriptDialogOpening")
    complaints_.push_back(params.dump());
}

}  // namespace backfill
