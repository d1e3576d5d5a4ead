// support/browser.h
//
// A real, headless Chromium with a profile of its own, spoken to by the DevTools protocol over two
// pipes: what it loads, what its console says, and what is where on the page that it shows.
//
// One thread. Every wait has a deadline; one that passes throws std::runtime_error.

#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/program.h"
#include "support/temp_folder.h"

namespace backfill {

class Browser {
 public:
  Browser();
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  // Shows the file, and returns once it is loaded.
  void open(const std::filesystem::path& file);

  // The value of a JavaScript expression on the page.
  nlohmann::json evaluate(const std::string& expression);

  void resize(int width, int height, bool is_phone);
  // `screen` or `print`; `light` or `dark`.
  void show_as(const std::string& media, const std::string& scheme);
  void move_mouse(double x, double y);

  // What it asked any place for since the start: URLs.
  const std::vector<std::string>& requests() const { return requests_; }
  // What the console holds: messages, exceptions and refusals.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  nlohmann::json call(const std::string& method, nlohmann::json params = nlohmann::json::object());
  nlohmann::json next_message();
  void note(const nlohmann::json& message);

  TempFolder folder_;
  int to_ = -1;
  int from_ = -1;
  std::unique_ptr<Program> program_;
  std::string unread_;
  int calls_ = 0;
  std::string session_;
  bool is_loaded_ = false;
  std::vector<std::string> requests_;
  std::vector<std::string> complaints_;
};

}  // namespace backfill
