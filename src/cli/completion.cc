#include "cli/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <vector>

#include "job/settings.h"

namespace backfill {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& tree) {
  return tree.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  return command.get_options([](const CLI::Option* option) { return !option->get_positional(); });
}

std::string name_of(const CLI::Option& option) { return "--" + option.get_lnames().front(); }

// `-o`, for an option that has such a name; else empty.
std::string letter_of(const CLI::Option& option) {
  return option.get_snames().empty() ? "" : "-" + option.get_snames().front();
}

// `text json` of `text|json`; empty when it is no choice.
std::string choices_of(const CLI::Option& option) {
  std::string words = option.get_option_text();
  if (words.find('|') == std::string::npos) return "";
  std::replace(words.begin(), words.end(), '|', ' ');
  return words;
}

std::string key_names() {
  std::string names;
  for (const JobKey& key : job_keys())
    names += fmt::format("{}{}", names.empty() ? "" : " ", key.name);
  return names;
}

// What comes behind an option, as a case of bash.
std::string bash_case(const CLI::App& command, const CLI::Option& option) {
  const std::string& takes = option.get_option_text();
  std::string action = "COMPREPLY=()";  // nothing is known of it
  if (const std::string choices = choices_of(option); !choices.empty()) {
    action = fmt::format("_backfill_words \"{}\"", choices);
  } else if (takes == "FILE") {
    action = "_backfill_files";
  } else if (takes == "KEY=VALUE") {
    action = "_backfill_keys";
  }
  std::string pattern = fmt::format("'{} {}'", command.get_name(), name_of(option));
  if (const std::string letter = letter_of(option); !letter.empty())
    pattern += fmt::format(" | '{} {}'", command.get_name(), letter);
  return fmt::format("    {}) {} ;;\n", pattern, action);
}

// Within single quotes and brackets of a specification of _arguments.
std::string zsh_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\'') {
      escaped += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

std::string zsh_option(const CLI::Option& option, const std::string& name) {
  const std::string& takes = option.get_option_text();
  const bool repeats = takes == "KEY=VALUE";
  const char* joined = name.starts_with("--") ? "=" : "+";
  std::string spec = fmt::format("{}{}{}[{}]", repeats ? "*" : "", name,
                                 takes.empty() ? "" : joined, zsh_text(option.get_description()));
  if (takes.empty()) return spec;
  spec += ":" + zsh_text(takes) + ":";
  if (const std::string choices = choices_of(option); !choices.empty()) {
    spec += "(" + choices + ")";
  } else if (takes == "FILE") {
    spec += "_files";
  } else if (repeats) {
    spec += "_backfill_keys";
  }
  return spec;
}

}  // namespace

std::string bash_completion(const CLI::App& tree) {
  std::string names;
  std::string values;
  std::string options;
  for (const CLI::App* command : commands_of(tree)) {
    names += command->get_name() + " ";
    std::string list;
    for (const CLI::Option* option : options_of(*command)) {
      list += (list.empty() ? "" : " ") + name_of(*option);
      if (!option->get_option_text().empty()) values += bash_case(*command, *option);
    }
    options += fmt::format("    {}) options=\"{}\" ;;\n", command->get_name(), list);
  }
  std::string script = R"(# Completion of backfill in bash; made from the program's own options.

_backfill_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")
}

_backfill_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

_backfill_keys() {
  compopt -o nospace 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -S = -W "@KEYS@" -- "$word")
}

_backfill() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]} options=''
  COMPREPLY=()
  # bash takes `--option=word` for three words.
  if [[ $word == '=' ]]; then
    word=''
  elif [[ $before == '=' ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD == 1)); then
    _backfill_words "@NAMES@--help --version"
    return
  fi
  case "$command $before" in
@VALUES@    *) before='' ;;
  esac
  if [[ $before ]]; then return; fi
  case $command in
@OPTIONS@  esac
  if [[ $word == -* ]]; then
    _backfill_words "$options"
    return
  fi
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -X '!*.toml' -- "$word"; compgen -d -- "$word")
}

complete -F _backfill backfill
)";
  const auto put = [&](const std::string& name, const std::string& text) {
    script.replace(script.find(name), name.size(), text);
  };
  put("@KEYS@", key_names());
  put("@NAMES@", names);
  put("@VALUES@", values);
  put("@OPTIONS@", options);
  return script;
}

std::string zsh_completion(const CLI::App& tree) {
  std::string names;
  std::string cases;
  for (const CLI::App* command : commands_of(tree)) {
    names +=
        fmt::format("    '{}:{}'\n", command->get_name(), zsh_text(command->get_description()));
    std::string specs;
    for (const CLI::Option* option : options_of(*command)) {
      specs += fmt::format(" \\\n        '{}'", zsh_option(*option, name_of(*option)));
      const std::string letter = letter_of(*option);
      if (!letter.empty() && !option->get_option_text().empty())
        specs += fmt::format(" \\\n        '{}'", zsh_option(*option, letter));
    }
    cases += fmt::format("    {}) _arguments{} \\\n        '1:job file:_files -g \"*.toml\"' ;;\n",
                         command->get_name(), specs);
  }
  return fmt::format(R"(#compdef backfill
# Completion of backfill in zsh; made from the program's own options.

_backfill_keys() {{
  local -a keys=({})
  compadd -S = -- $keys
}}

_backfill() {{
  local -a commands=(
{}  )
  if ((CURRENT == 2)); then
    _describe command commands
    compadd -- --help --version
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
{}  esac
}}

_backfill "$@"
)",
                     key_names(), names, cases);
}

}  // namespace backfill
