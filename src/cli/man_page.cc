#include "cli/man_page.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/command_tree.h"
#include "job/settings.h"

namespace backfill {
namespace {

// Text as it is: roff reads `\` and `-` in ways of its own, and a line's first `.` or `'`.
std::string roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else if (c == '\n') {
      escaped += ' ';
    } else {
      escaped += c;
    }
  }
  if (escaped.starts_with('.') || escaped.starts_with('\'')) escaped.insert(0, "\\&");
  return escaped;
}

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + roff(text) + "\\fR"; }

void append_entry(std::string& page, const std::string& term, std::string_view meaning) {
  page += ".TP\n" + term + "\n" + roff(meaning) + "\n";
}

void append_options(std::string& page, const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) continue;
    std::string term;
    for (const std::string& name : option->get_snames()) term += bold("-" + name) + ", ";
    term += bold("--" + option->get_lnames().front());
    if (!option->get_option_text().empty()) term += " " + italic(option->get_option_text());
    append_entry(page, term, option->get_description());
  }
}

void append_job_keys(std::string& page) {
  page +=
      ".SH JOB FILE\nTOML. A dotted name is a key in a table: batch.size is size in [batch]. In "
      "any "
      "text ${VAR} and ${VAR:\\-default} are taken from the environment.\n";
  for (const JobKey& key : job_keys()) {
    std::string meaning = key.is_required ? "Required: " : "";
    meaning += key.allowed;
    if (!key.standard.empty()) meaning += fmt::format("; default {}", key.standard);
    if (!key.when_unset.empty()) meaning += fmt::format("; default: {}", key.when_unset);
    if (!key.option.empty()) meaning += fmt::format("; option {}", key.option);
    append_entry(page, bold(key.name), meaning);
  }
}

}  // namespace

std::string man_page(const CLI::App& tree, const std::string& version, const std::string& date) {
  const auto commands = tree.get_subcommands([](const CLI::App*) { return true; });
  std::string page =
      fmt::format(".TH BACKFILL 1 \"{}\" \"backfill {}\" \"User Commands\"\n", date, roff(version));
  page += ".SH NAME\nbackfill \\- " + roff(tree.get_description()) + "\n";
  page += ".SH SYNOPSIS\n.nf\n";
  for (const CLI::App* command : commands) {
    page += bold("backfill " + command->get_name()) + " " + italic("JOB.toml") + " [" +
            italic("OPTIONS") + "]\n";
  }
  page += ".fi\n.SH COMMANDS\n";
  for (const CLI::App* command : commands) {
    page += ".SS backfill " + roff(command->get_name()) + " JOB.toml\n" +
            roff(command->get_description()) + "\n";
    append_options(page, *command);
  }
  page += ".SH ENVIRONMENT\n" + roff(tree.get_footer()) + "\n";
  append_job_keys(page);
  page += ".SH EXIT STATUS\n";
  for (const ExitMeaning& exit : exit_meanings()) {
    append_entry(page, bold(std::to_string(exit.code)), exit.meaning);
  }
  return page;
}

}  // namespace backfill
