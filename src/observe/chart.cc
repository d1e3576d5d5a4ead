#include "observe/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "observe/html.h"
#include "observe/ticks.h"

namespace backfill {
namespace {

constexpr double kHeight = 150;  // pixels
constexpr double kWidth = 1000;  // of the inner picture, which is stretched
constexpr int kStyles = 6;       // colours with a dash of their own: .c0 to .c5
constexpr std::size_t kReasonMax = 160;
// Parts of the axis.
constexpr double kShadeApartMin = 0.001;  // closer ones are one
constexpr double kRoomForWords = 0.15;
constexpr double kRoomForNumber = 0.03;

std::string pause_words(const std::string& reason) {
  return (reason.starts_with("paused") ? "" : "paused: ") + html_start(reason, kReasonMax);
}

class Drawing {
 public:
  Drawing(const Chart& chart, const ChartTime& time)
      : chart_(chart),
        time_(time),
        stretches_(time.timeline.stretches()),
        extent_s_(std::max(time.timeline.end_s(), 1e-3)),
        scale_(scale()) {}

  std::string figure() {
    append_caption();
    svg_ += fmt::format("<svg role=\"img\" aria-label=\"{}\" class=\"plot\" height=\"{:.0f}\">",
                        html(chart_.title + (chart_.summary.empty() ? "" : ": " + chart_.summary)),
                        kHeight);
    append_axes();
    append_interruptions();
    svg_ += fmt::format(
        "<svg class=\"lines\" viewBox=\"0 0 {0:.0f} {1:.0f}\" preserveAspectRatio=\"none\" "
        "width=\"100%\" height=\"{1:.0f}\">",
        kWidth, kHeight);
    append_lines();
    svg_ += "</svg>";
    append_limit();
    append_hits();
    svg_ += "</svg></figure>\n";
    return std::move(svg_);
  }

 private:
  Scale scale() const {
    double highest = chart_.limit.value_or(0);
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
      double sum = 0;
      for (const ChartLine& line : chart_.lines) {
        const Spread& spread = line.spreads[i];
        if (!spread.is_known()) continue;
        sum += spread.mean();
        highest = std::max(highest, chart_.form == Chart::Form::stacked ? sum : spread.high);
      }
    }
    const Unit& unit = chart_.unit;
    Scale scale = round_scale(unit.top.value_or(highest), unit.counts_whole);
    scale.top = unit.top.value_or(scale.top);
    return scale;
  }

  double part_of(double at_s) const { return std::clamp(at_s / extent_s_, 0.0, 1.0); }
  double x(double at_s) const { return part_of(at_s) * kWidth; }
  double y(double figure) const {
    return kHeight * (1 - std::clamp(figure / scale_.top, 0.0, 1.0));
  }

  void append_caption() {
    svg_ += fmt::format("<figure id=\"{}\" class=\"chart{}\"><figcaption><h3>{}</h3>", chart_.id,
                        chart_.form == Chart::Form::stacked ? " stacked" : "", html(chart_.title));
    if (!chart_.summary.empty()) svg_ += "<p>" + html(chart_.summary) + "</p>";
    if (chart_.lines.size() > 1 || chart_.limit) append_legend();
    svg_ += "</figcaption>";
  }

  void append_legend() {
    svg_ += "<ul class=\"legend\">";
    const auto entry = [&](const std::string& style, const ChartLine& line) {
      svg_ += fmt::format(
          "<li><svg width=\"26\" height=\"10\" aria-hidden=\"true\"><path class=\"{}\" "
          "d=\"M0 5H26\"/></svg>{}{}</li>",
          style, html_start(line.name, kReasonMax),
          line.summary.empty() ? "" : " <b>" + html(line.summary) + "</b>");
    };
    for (std::size_t i = 0; i < chart_.lines.size(); ++i)
      entry("line " + style_of(i), chart_.lines[i]);
    if (chart_.limit) entry("limit", {chart_.limit_name, "", {}});
    svg_ += "</ul>";
  }

  void append_axes() {
    for (int mark = 0; mark * scale_.step <= scale_.top * (1 + 1e-9); ++mark) {
      const double figure = mark * scale_.step;
      svg_ += fmt::format(
          "<line class=\"{2}\" x2=\"100%\" y1=\"{0:.1f}\" y2=\"{0:.1f}\"/><text class=\"y\" "
          "x=\"-7\" y=\"{0:.1f}\" dy=\"4\">{1}</text>",
          y(figure), figure_text(figure, scale_.step), mark == 0 ? "base" : "grid");
    }
    for (const ClockTick& tick : clock_ticks(time_.timeline.segments())) {
      const double at = part_of(tick.at_s) * 100;
      svg_ += fmt::format(
          "<line class=\"tick\" x1=\"{0:.2f}%\" x2=\"{0:.2f}%\" y1=\"{1:.0f}\" y2=\"{2:.0f}\"/>"
          "<text class=\"x\" x=\"{0:.2f}%\" y=\"{3:.0f}\">{4}</text>",
          at, kHeight, kHeight + 4, kHeight + 17, tick.time);
      if (tick.day.empty()) continue;
      svg_ += fmt::format("<text class=\"x day\" x=\"{:.2f}%\" y=\"{:.0f}\">{}</text>", at,
                          kHeight + 31, tick.day);
    }
  }

  // Those without a number that are too close to tell apart are drawn as one.
  std::vector<Interruption> drawn_interruptions() const {
    std::vector<Interruption> drawn;
    const double apart_s = kShadeApartMin * extent_s_;
    for (const Interruption& next : time_.interruptions) {
      Interruption* last = drawn.empty() ? nullptr : &drawn.back();
      const bool is_apart = last == nullptr || next.number > 0 || last->number > 0 ||
                            next.kind != last->kind || next.begin_s - last->end_s >= apart_s;
      if (is_apart) {
        drawn.push_back(next);
      } else {
        last->end_s = next.end_s;
        last->lasted_s += next.lasted_s;
      }
    }
    return drawn;
  }

  void append_interruptions() {
    double named_until = -1;
    for (const Interruption& one : drawn_interruptions()) {
      const double begin = part_of(one.begin_s);
      const double width = part_of(one.end_s) - begin;
      const std::string words = html_start(one.reason, kReasonMax);
      bool has_words = false;
      if (one.kind == Interruption::Kind::absence) {
        svg_ += fmt::format(
            "<line class=\"absence\" x1=\"{0:.2f}%\" x2=\"{0:.2f}%\" y2=\"{1:.0f}\"><title>{2}"
            "</title></line>",
            begin * 100, kHeight, words);
      } else {
        // Words that do not fit are cut off by the edges of the inner picture.
        has_words = one.number > 0 && width >= kRoomForWords;
        svg_ += fmt::format(
            "<svg class=\"pause\" x=\"{:.3f}%\" width=\"{:.3f}%\" height=\"{:.0f}\"><title>"
            "{}</title><rect width=\"100%\" height=\"100%\"/>{}</svg>",
            begin * 100, std::max(width * 100, 0.1), kHeight, pause_words(one.reason),
            has_words ? fmt::format("<text x=\"5\" y=\"13\">{} {}</text>", one.number, words) : "");
      }
      if (one.number == 0 || has_words || begin < named_until) continue;
      svg_ += fmt::format("<text class=\"number\" x=\"{:.2f}%\" y=\"-3\">{}</text>",
                          (begin + width / 2) * 100, one.number);
      named_until = begin + width / 2 + kRoomForNumber;
    }
  }

  void append_lines() {
    if (chart_.form == Chart::Form::stacked) return append_stack();
    for (std::size_t i = 0; i < chart_.lines.size(); ++i) {
      const ChartLine& line = chart_.lines[i];
      const std::string style = style_of(i);
      if (chart_.form == Chart::Form::slope) {
        append_slope(line, style);
        continue;
      }
      if (line.has_band) append_bands(line, style);
      append_path("line " + style, steps([&](std::size_t at) { return mean(line, at); }));
    }
  }

  using Figure = std::function<std::optional<double>(std::size_t)>;

  static std::optional<double> mean(const ChartLine& line, std::size_t at) {
    const Spread& spread = line.spreads[at];
    return spread.is_known() ? std::optional(spread.mean()) : std::nullopt;
  }

  std::string steps(const Figure& figure) const {
    std::string path;
    bool is_drawing = false;
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
      const std::optional<double> value = figure(i);
      if (value && is_drawing) {
        path += fmt::format("V{:.1f}", y(*value));
      } else if (value) {
        path += fmt::format("M{:.1f} {:.1f}", x(stretches_[i].begin_s), y(*value));
      }
      if (value) path += fmt::format("H{:.1f}", x(stretches_[i].end_s));
      is_drawing = value.has_value();
    }
    return path;
  }

  // From the lowest to the highest, where a stretch holds more than one figure.
  void append_bands(const ChartLine& line, const std::string& style) {
    std::string path;
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
      const Spread& spread = line.spreads[i];
      if (!spread.is_known() || y(spread.low) - y(spread.high) < 0.5) continue;
      path += fmt::format("M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}Z", x(stretches_[i].begin_s),
                          y(spread.high), x(stretches_[i].end_s), y(spread.low),
                          x(stretches_[i].begin_s));
    }
    append_path("band " + style, path);
  }

  void append_slope(const ChartLine& line, const std::string& style) {
    std::string path = fmt::format("M0 {:.1f}", y(0));
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
      if (const auto value = mean(line, i))
        path += fmt::format("L{:.1f} {:.1f}", x(stretches_[i].end_s), y(*value));
    }
    append_path("band " + style, path + fmt::format("V{:.1f}Z", kHeight));
    append_path("line " + style, path);
  }

  void append_stack() {
    std::vector<double> below(stretches_.size(), 0);
    for (std::size_t l = 0; l < chart_.lines.size(); ++l) {
      std::string path;
      for (std::size_t i = 0; i < stretches_.size(); ++i) {
        const double part = mean(chart_.lines[l], i).value_or(0);
        if (part <= 0) continue;
        path += fmt::format("M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}Z", x(stretches_[i].begin_s),
                            y(below[i]), x(stretches_[i].end_s), y(below[i] + part),
                            x(stretches_[i].begin_s));
        below[i] += part;
      }
      append_path("area " + style_of(l), path);
    }
  }

  void append_path(const std::string& style, const std::string& path) {
    if (!path.empty()) svg_ += fmt::format("<path class=\"{}\" d=\"{}\"/>", style, path);
  }

  void append_limit() {
    if (!chart_.limit) return;
    svg_ += fmt::format("<line class=\"limit\" x2=\"100%\" y1=\"{0:.1f}\" y2=\"{0:.1f}\"/>",
                        y(*chart_.limit));
  }

  // What is pointed at.
  void append_hits() {
    svg_ += fmt::format("<rect class=\"hair\" height=\"{:.0f}\"/>", kHeight);
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
      const double begin = part_of(stretches_[i].begin_s) * 100;
      const double end = part_of(stretches_[i].end_s) * 100;
      svg_ += fmt::format(
          "<rect class=\"hit\" x=\"{:.2f}%\" width=\"{:.2f}%\" height=\"{:.0f}\"><title>{}"
          "</title></rect>",
          begin, std::max(end - begin, 0.01), kHeight, note_of(i));
    }
  }

  std::string note_of(std::size_t at) const {
    const Stretch& stretch = stretches_[at];
    std::string note = moment_text(stretch.ended_at) + " UTC";
    for (const ChartLine& line : chart_.lines) {
      const Spread& spread = line.spreads[at];
      if (!spread.is_known()) continue;
      note +=
          "\n" + html_start(line.name, kReasonMax) + ": " + html(chart_.unit.text(spread.mean()));
      const std::string low = chart_.unit.text(spread.low);
      const std::string high = chart_.unit.text(spread.high);
      if (low != high) note += html(" (" + low + " to " + high + ")");
    }
    if (stretch.slowed_by.empty()) return note;
    const bool was_paused = stretch.share.low <= 0;
    return note + "\n" +
           (was_paused ? pause_words(stretch.slowed_by)
                       : html_start(stretch.slowed_by, kReasonMax));
  }

  static std::string style_of(std::size_t line) {
    return "c" + std::to_string(line % static_cast<std::size_t>(kStyles));
  }

  const Chart& chart_;
  const ChartTime& time_;
  const std::vector<Stretch>& stretches_;
  const double extent_s_;
  const Scale scale_;
  std::string svg_;
};

}  // namespace

std::string draw(const Chart& chart, const ChartTime& time) {
  return Drawing(chart, time).figure();
}

std::string chart_definitions() {
  return "<svg class=\"definitions\" aria-hidden=\"true\"><defs><pattern id=\"hatch\" "
         "width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" "
         "patternTransform=\"rotate(45)\"><rect width=\"7\" height=\"7\" class=\"hatch-ground\"/>"
         "<line y2=\"7\" class=\"hatch-line\"/></pattern></defs></svg>\n";
}

}  // namespace backfill
