#include "cli/live_control.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace backfill {
namespace {

bool watches_the_same(const ThrottleSettings& one, const ThrottleSettings& other) {
  return one.enabled == other.enabled && one.max_replica_lag == other.max_replica_lag &&
         one.max_replica_lag_bytes == other.max_replica_lag_bytes &&
         one.replicas == other.replicas && one.query == other.query &&
         one.query_limit == other.query_limit && one.pause_file == other.pause_file;
}

std::vector<Override> with_controls(std::vector<Override> given,
                                    const std::vector<Control>& controls) {
  for (const Control& control : controls) {
    if (control.key != kPauseControl) given.push_back({control.key, control.value, "control"});
  }
  return given;
}

}  // namespace

Job controlled_job(const Job& job, std::vector<Override> given,
                   const std::vector<Control>& controls) {
  return with_changes(job, reload_job(job, with_controls(std::move(given), controls)));
}

std::optional<Standstill> pause_of(const std::vector<Control>& controls) {
  for (const Control& control : controls) {
    if (control.key != kPauseControl) continue;
    return Standstill{"pause", "paused by `backfill pause` at " + control.set_at};
  }
  return std::nullopt;
}

std::string describe_control(const Control& control) {
  return control.key + " = " + control.value + ", since " + control.set_at;
}

LiveControl::LiveControl(Job job, std::vector<Override> given, std::vector<Control> controls,
                         Log& log)
    : job_(std::move(job)), given_(std::move(given)), controls_(std::move(controls)), log_(log) {}

std::optional<LiveSettings> LiveControl::look(bool rereads_file) {
  try {
    if (!store_) store_ = CheckpointStore::open_existing(job_.checkpoint);
    if (!store_ || (!store_->has_changed() && !rereads_file)) return std::nullopt;
    std::vector<Control> controls = store_->controls();
    has_told_ = false;
    if (controls == controls_ && !rereads_file) return std::nullopt;
    controls_ = std::move(controls);
    Job now = wanted_job(rereads_file);
    tell_changes(now, rereads_file);
    LiveSettings settings{with_changes(job_, now), pause_of(controls_),
                          !watches_the_same(job_.throttle, now.throttle)};
    job_ = settings.job;
    return settings;
  } catch (const Error& error) {
    if (!std::exchange(has_told_, true)) {
      log_.write(LogLevel::warning, "settings are left as they are", {{"reason", error.what()}});
    }
    return std::nullopt;
  }
}

Job LiveControl::wanted_job(bool rereads_file) const {
  const std::vector<Override> overrides = with_controls(given_, controls_);
  return rereads_file ? load_job(job_.file, overrides) : reload_job(job_, overrides);
}

void LiveControl::tell_changes(const Job& now, bool rereads_file) {
  if (rereads_file) log_.write(LogLevel::info, "the job file was read again", {});
  for (const Setting& before : job_.settings) {
    const auto after =
        std::find_if(now.settings.begin(), now.settings.end(),
                     [&](const Setting& setting) { return setting.name == before.name; });
    if (after == now.settings.end() || after->value == before.value) continue;
    if (can_change_in_run(before.name)) {
      log_.write(LogLevel::info, "a setting has changed",
                 {{"key", before.name},
                  {"from", before.value},
                  {"to", after->value},
                  {"by", after->origin == "control" ? "backfill set" : after->origin}});
    } else {
      log_.write(LogLevel::warning, "a setting cannot change while a run goes on",
                 {{"key", before.name}, {"stays", before.value}});
    }
  }
}

}  // namespace backfill
