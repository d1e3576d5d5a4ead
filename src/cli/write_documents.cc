// Writes what is made from the command tree: write_documents FOLDER VERSION DATE. Part of the
// build, not of what is installed.

#include <CLI/CLI.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "cli/command_tree.h"
#include "cli/completion.h"
#include "cli/man_page.h"

namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: write_documents FOLDER VERSION DATE\n";
    return 2;
  }
  try {
    const std::filesystem::path folder = argv[1];
    const auto tree = backfill::command_tree();
    write(folder / "backfill.1", backfill::man_page(*tree, argv[2], argv[3]));
    write(folder / "backfill.bash", backfill::bash_completion(*tree));
    write(folder / "_backfill", backfill::zsh_completion(*tree));
  } catch (const std::exception& error) {
    std::cerr << "write_documents: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
