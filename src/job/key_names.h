// job/key_names.h
//
// Names in a job file: what may stand there beside the keys themselves, and what to say of one that
// may not. Pure.

#pragma once

#include <string>
#include <string_view>

namespace backfill {

// Whether a dotted name is a table of job keys; everything below transform.options is.
bool is_job_table(std::string_view name);

// Whether a dotted name is an option of the plugin, which may be called anything.
bool is_plugin_option(std::string_view name);

// `; did you mean batch.size?`, or else what there is to choose from.
std::string suggestion_for_key(std::string_view name);
std::string suggestion_for_table(std::string_view name);

}  // namespace backfill
