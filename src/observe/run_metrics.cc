#include "observe/run_metrics.h"

#include "core/error.h"

namespace backfill {
namespace {

constexpr Duration kFileInterval = std::chrono::seconds(5);  // node_exporter reads every 15 s or so
constexpr Duration kUntilItBegins = std::chrono::milliseconds(200);

}  // namespace

RunMetrics::RunMetrics(const MetricsOptions& options, const std::string& job, Clock& clock,
                       Log& log)
    : clock_(clock), log_(log), metrics_(std::make_shared<Metrics>(job)) {
  if (!options.file.empty()) file_.emplace(options.file, job);
  if (!options.pushgateway.empty()) pushgateway_.emplace(options.pushgateway, job);
  if (!options.listen.empty()) {
    server_ = std::make_unique<MetricsServer>(
        options.listen, [metrics = metrics_] { return metrics->text(); }, log);
    log.write(LogLevel::info, "metrics", {{"url", "http://" + server_->address() + "/metrics"}});
  }
  if (file_) writer_ = std::jthread([this](std::stop_token stop) { keep_file(std::move(stop)); });
}

RunMetrics::~RunMetrics() {
  metrics_->end();
  if (writer_.joinable()) {
    writer_.request_stop();
    writer_.join();
  }
  tell_now();
}

void RunMetrics::tell_now() {
  if (file_) write_file();
  push();
}

void RunMetrics::push() {
  if (!pushgateway_ || !metrics_->has_run()) return;
  try {
    pushgateway_->push(metrics_->text());
  } catch (const std::exception& error) {
    log_.write(LogLevel::warning, "metrics were not pushed", {{"reason", error.what()}});
  }
}

void RunMetrics::keep_file(std::stop_token stop) {
  do {
    write_file();
  } while (clock_.wait(metrics_->has_run() ? kFileInterval : kUntilItBegins, stop));
}

// A file of an earlier run stays until there is something to tell of this one.
void RunMetrics::write_file() {
  if (!metrics_->has_run()) return;
  const std::lock_guard lock(file_mutex_);
  try {
    file_->write(metrics_->text());
  } catch (const std::exception& error) {
    if (!has_warned_of_file_)
      log_.write(LogLevel::warning, "the file of metrics is not kept up to date",
                 {{"reason", error.what()}});
    has_warned_of_file_ = true;
  }
}

}  // namespace backfill
