#include "plugin/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/error.h"

namespace backfill {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t word_bytes_max = 200;

[[noreturn]] void refuse(const std::string& message) { throw Error(ExitCode::unsafe, message); }

// A plugin's name and version stand in messages, logs and the checkpoint.
bool is_word(std::string_view text) {
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  return !text.empty() && text.size() <= word_bytes_max &&
         std::none_of(text.begin(), text.end(), is_control);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// An empty part of the list is left out: the working directory is nothing to be guessed.
void append_listed_folders(const char* list, std::vector<fs::path>& folders) {
  std::string_view rest = list == nullptr ? "" : list;
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    if (!folder.empty()) folders.emplace_back(folder);
    if (colon == std::string_view::npos) return;
    rest.remove_prefix(colon + 1);
  }
}

void append_library_folders(std::vector<fs::path>& folders) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) {
    const fs::path prefix = program.parent_path().parent_path();
    folders.push_back(prefix / "lib" / "backfill");
    folders.push_back(prefix / "lib64" / "backfill");
    // Debian's lib/x86_64-linux-gnu and its like.
    for (fs::directory_iterator entry(prefix / "lib", ignored), end; !ignored && entry != end;
         entry.increment(ignored)) {
      if (entry->path().filename().string().find("-linux-") != std::string::npos)
        folders.push_back(entry->path() / "backfill");
    }
  }
#ifdef BACKFILL_LIBDIR
  folders.push_back(fs::path(BACKFILL_LIBDIR) / "backfill");
#endif
}

bool is_path(const std::string& name) { return name.find('/') != std::string::npos; }

std::vector<fs::path> candidates(const std::string& name, const fs::path& job_file_folder) {
  const fs::path beside_job = job_file_folder.empty() ? fs::path(".") : job_file_folder;
  if (is_path(name)) {
    // An absolute path replaces what is in front of it.
    std::vector<fs::path> paths{beside_job / name};
    if (fs::path(name).is_relative()) paths.emplace_back(name);
    return paths;
  }
  std::vector<fs::path> folders{beside_job};
  append_listed_folders(std::getenv("BACKFILL_PLUGIN_PATH"), folders);
  append_library_folders(folders);
  std::vector<fs::path> paths;
  const bool is_file_name = fs::path(name).extension() == ".so";
  for (const fs::path& folder : folders) {
    if (is_file_name) paths.push_back(folder / name);
    paths.push_back(folder / (name + ".so"));
    paths.push_back(folder / ("lib" + name + ".so"));
  }
  return paths;
}

fs::path find_library(const std::string& name, const fs::path& job_file_folder) {
  const std::vector<fs::path> paths = candidates(name, job_file_folder);
  std::string tried;
  for (const fs::path& path : paths) {
    if (is_file(path)) return fs::absolute(path);
    tried += (tried.empty() ? "" : ", ") + path.string();
  }
  refuse(fmt::format(
      "plugin {}: not found; looked for {}; put it beside the job file or name its folder in "
      "BACKFILL_PLUGIN_PATH",
      name, tried));
}

struct stat status_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    refuse(fmt::format("plugin {}: cannot be looked at: {}", path.string(), std::strerror(errno)));
  return status;
}

bool is_ours(const struct stat& status) {
  return status.st_uid == ::geteuid() || status.st_uid == 0;
}

// Loading a library runs its code with our rights, so nobody but its owner may have written it.
void check_permissions(const fs::path& path, bool is_asked_for) {
  const struct stat file = status_of(path);
  if ((file.st_mode & S_IWOTH) != 0)
    refuse(
        fmt::format("plugin {}: anybody may write this file; run chmod o-w on it", path.string()));

  const struct stat folder = status_of(path.parent_path());
  if ((folder.st_mode & S_IWOTH) == 0) return;
  if ((folder.st_mode & S_ISVTX) == 0)
    refuse(fmt::format("plugin {}: anybody may write its folder; run chmod o-w on {}",
                       path.string(), path.parent_path().string()));
  // In a sticky folder, such as /tmp, a file is its owner's, but anybody may put one there, or a
  // link to another.
  if (!is_asked_for)
    refuse(
        fmt::format("plugin {}: was found by its name in {}, a folder that anybody may write; "
                    "move it, or give its path in transform.plugin",
                    path.string(), path.parent_path().string()));
  struct stat name {};
  const bool is_known = ::lstat(path.c_str(), &name) == 0;
  if (!is_known || !is_ours(name) || !is_ours(file))
    refuse(
        fmt::format("plugin {}: belongs to another user in a folder that anybody may write; "
                    "move it to a folder of your own",
                    path.string()));
}

}  // namespace

std::shared_ptr<const Plugin> Plugin::open(const std::string& name_or_path,
                                           const fs::path& job_file_folder) {
  const fs::path found = find_library(name_or_path, job_file_folder);
  check_permissions(found, is_path(name_or_path));
  // A symbolic link may lead from a safe folder into an unsafe one.
  const fs::path real = fs::canonical(found);
  if (real != found) check_permissions(real, is_path(name_or_path));
  return std::shared_ptr<const Plugin>(new Plugin(found));
}

Plugin::Plugin(fs::path path) : path_(std::move(path)) {
  library_ = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    const char* reason = ::dlerror();
    refuse(fmt::format("plugin {}: cannot be loaded: {}", path_.string(),
                       reason == nullptr ? "unknown reason" : reason));
  }
  try {
    check_contract();
  } catch (...) {
    ::dlclose(library_);
    throw;
  }
}

Plugin::~Plugin() { ::dlclose(library_); }

void Plugin::check_contract() {
  using Entry = const backfill_transform* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(library_, "backfill_transform_entry"));
  if (entry == nullptr)
    refuse(
        fmt::format("plugin {}: has no symbol backfill_transform_entry; end its source with "
                    "BACKFILL_TRANSFORM(…)",
                    path_.string()));
  transform_ = entry();
  if (transform_ == nullptr)
    refuse(fmt::format("plugin {}: backfill_transform_entry answered NULL", path_.string()));
  if (transform_->contract != BACKFILL_TRANSFORM_CONTRACT)
    refuse(
        fmt::format("plugin {} speaks contract {}, this backfill speaks {}; build it against "
                    "this backfill's headers",
                    path_.string(), transform_->contract, BACKFILL_TRANSFORM_CONTRACT));
  constexpr std::size_t size_min =
      offsetof(backfill_transform, close) + sizeof(backfill_transform::close);
  if (transform_->struct_size < size_min)
    refuse(
        fmt::format("plugin {}: its backfill_transform has {} bytes, this backfill needs {}; "
                    "build it against this backfill's headers",
                    path_.string(), transform_->struct_size, size_min));
  const auto require = [&](bool is_there, const char* field) {
    if (!is_there) refuse(fmt::format("plugin {}: its {} is NULL", path_.string(), field));
  };
  require(transform_->name != nullptr, "name");
  require(transform_->version != nullptr, "version");
  require(transform_->open != nullptr, "open");
  require(transform_->apply != nullptr, "apply");
  require(transform_->close != nullptr, "close");
  name_ = transform_->name;
  version_ = transform_->version;
  const auto require_word = [&](const std::string& text, const char* field) {
    if (is_word(text)) return;
    refuse(fmt::format("plugin {}: its {} must be 1 to {} printable bytes on one line",
                       path_.string(), field, word_bytes_max));
  };
  require_word(name_, "name");
  require_word(version_, "version");
}

}  // namespace backfill
