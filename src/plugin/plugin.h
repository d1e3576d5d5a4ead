// plugin/plugin.h
//
// A transform library, found, checked and loaded. Constant once opened and safe to use from any
// thread; its instances are not (see plugin_transform.h). The library stays loaded as long as
// somebody shares the Plugin.

#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "backfill/transform.h"

namespace backfill {

class Plugin {
 public:
  // Loads a library. With a `/` in it the name is a path, tried from the job file's folder and
  // then from the working directory. Else NAME.so or libNAME.so is looked for
  //
  //   1. beside the job file,
  //   2. in each folder of $BACKFILL_PLUGIN_PATH, separated by colons,
  //   3. in lib/backfill and its like beside the folder of this program, then where it was
  //      configured to be installed.
  //
  // The first file of that name counts: when it cannot be used, nothing else is tried. It is not
  // used when somebody else could have put it there: a file or folder that others may write. In a
  // sticky folder that all may write, such as /tmp, only a path is taken, of a file of our own.
  //
  // Throws Error(ExitCode::unsafe) when there is none, or it does not load, lacks the symbol, or
  // speaks another contract.
  static std::shared_ptr<const Plugin> open(const std::string& name_or_path,
                                            const std::filesystem::path& job_file_folder);

  ~Plugin();
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const std::string& name() const { return name_; }
  const std::string& version() const { return version_; }
  const std::filesystem::path& path() const { return path_; }
  const backfill_transform& transform() const { return *transform_; }

 private:
  explicit Plugin(std::filesystem::path path);
  void check_contract();

  std::filesystem::path path_;
  void* library_ = nullptr;
  const backfill_transform* transform_ = nullptr;
  std::string name_;
  std::string version_;
};

}  // namespace backfill
