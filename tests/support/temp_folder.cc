#include "temp_folder.h"

#include <stdlib.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace backfill {

namespace {

// kill -9 takes nothing from the page cache, so files in memory tell the same story as files on a
// disk, without its slow syncs.
std::filesystem::path parent_folder() {
  const std::filesystem::path in_memory = "/dev/shm";
  const bool is_told = std::getenv("TMPDIR") != nullptr;
  if (is_told || access(in_memory.c_str(), W_OK) != 0) {
    return std::filesystem::temp_directory_path();
  }
  return in_memory;
}

}  // namespace

TempFolder::TempFolder() {
  std::string name = (parent_folder() / "backfill-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("write " + path.string());
}

}  // namespace backfill
