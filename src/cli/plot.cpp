#include "cli/plot.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <string_view>

namespace murder::cli {
namespace {

constexpr double width = 720, height = 400;
constexpr double left = 70, right = 690, top = 50, bottom = 340;

/// A round number of which `most` is at most seven.
double tick_step(double most) {
  const double rough = std::max(most, 1e-9) / 7;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough) return factor * power;
  return 10 * power;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text,
                    std::string_view more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, escaped(text));
}

std::string line_between(double x1, double y1, double x2, double y2, std::string_view style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, style);
}

struct Scale {
  double most_s, most_hosts;
  double x(double seconds) const { return left + (right - left) * seconds / most_s; }
  double y(double hosts) const { return bottom - (bottom - top) * hosts / most_hosts; }
};

std::string axes(const Scale& scale) {
  std::string out;
  const double seconds = tick_step(scale.most_s);
  for (int i = 0; i * seconds <= scale.most_s * 1.0001; ++i) {
    const double x = scale.x(i * seconds);
    out += line_between(x, top, x, bottom, "stroke=\"#e4e4e4\"");
    out += text_at(x, bottom + 18, "middle", fmt::format("{:.6g}", i * seconds));
  }
  const double hosts = std::max(1.0, tick_step(scale.most_hosts));
  for (int i = 0; i * hosts <= scale.most_hosts * 1.0001; ++i) {
    const double y = scale.y(i * hosts);
    out += line_between(left, y, right, y, "stroke=\"#e4e4e4\"");
    out += text_at(left - 8, y + 4, "end", fmt::format("{:.0f}", i * hosts));
  }
  out += line_between(left, bottom, right, bottom, "stroke=\"#333\"");
  out += line_between(left, top, left, bottom, "stroke=\"#333\"");
  out += text_at((left + right) / 2, bottom + 42, "middle", "time since the start (seconds)");
  out += text_at(18, (top + bottom) / 2, "middle", "hosts done",
                 fmt::format(" transform=\"rotate(-90 18 {:.1f})\"", (top + bottom) / 2));
  return out;
}

/// A step for each host, as many as the picture has room for.
std::string curve(std::vector<double> done_s, const Scale& scale) {
  std::sort(done_s.begin(), done_s.end());
  const std::size_t stride = std::max<std::size_t>(1, done_s.size() / 1000);
  std::string points = fmt::format("{:.1f},{:.1f}", scale.x(0), scale.y(0));
  double before = 0;
  for (std::size_t i = 0; i < done_s.size(); ++i) {
    if (i % stride != 0 && i + 1 != done_s.size()) continue;
    const double after = static_cast<double>(i + 1);
    points += fmt::format(" {0:.1f},{1:.1f} {0:.1f},{2:.1f}", scale.x(done_s[i]), scale.y(before),
                          scale.y(after));
    before = after;
  }
  return fmt::format(
      "<polyline fill=\"none\" stroke=\"#0b62a4\" stroke-width=\"2\" points=\"{}\"/>\n", points);
}

}  // namespace

std::string svg_of(const DonePlot& plot) {
  const double last = plot.done_s.empty() ? 0 : *std::ranges::max_element(plot.done_s);
  const Scale scale{std::max({last, plot.limit_s, 1e-6}) * 1.05,
                    std::max(1.0, static_cast<double>(plot.hosts))};
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
      width, height);
  out += text_at(left, 24, "start", plot.title, " font-size=\"14\"");
  out += axes(scale);
  const double x = scale.x(plot.limit_s);
  out += line_between(x, top, x, bottom, "stroke=\"#c0392b\" stroke-dasharray=\"5 4\"");
  out += text_at(x - 4, top - 6, "end", fmt::format("limit {:.4g} s", plot.limit_s),
                 " fill=\"#c0392b\"");
  out += curve(plot.done_s, scale);
  return out + "</svg>\n";
}

}  // namespace murder::cli
