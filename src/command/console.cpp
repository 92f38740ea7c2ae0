#include "console.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace pilqr::command {

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20U || byte == 0x7FU) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string shortened(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  const auto continues = [&](std::size_t i) {
    return (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U;
  };
  while (most > 0 && continues(most)) --most;
  return std::string(text.substr(0, most)) + "..";
}

void print_error(std::string_view message) {
  const std::string line = "pilqr: " + printable(message) + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

bool output_arrived() {
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

std::string short_number(double value) {
  return std::isfinite(value) ? fmt::format("{:.4g}", value) : "-";
}

std::string percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.0f} %", 100.0 * share) : "-";
}

std::string duration(double seconds) {
  constexpr double minute = 60.0;
  constexpr double hour = 3600.0;
  if (seconds < 2 * minute) return fmt::format("{:.0f} s", seconds);
  if (seconds < 2 * hour) return fmt::format("{:.0f} min", seconds / minute);
  return fmt::format("{:.1f} h", seconds / hour);
}

LiveLine::LiveLine(bool wanted) : terminal_(wanted && ::isatty(STDOUT_FILENO) == 1) {
  const char* kind = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (kind != nullptr && std::string_view(kind) == "dumb") terminal_ = false;
}

void LiveLine::show(std::string_view text) {
  if (!terminal_) return;
  print(fmt::format("\r{}\x1b[K", text));
  shown_ = true;
}

void LiveLine::clear() {
  if (shown_) print("\r\x1b[K");
  shown_ = false;
}

TrainTable::TrainTable(int first, int last, bool quiet, bool live)
    : first_(first), last_(last), quiet_(quiet), live_(live && !quiet) {}

std::string TrainTable::left(double done) const {
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  return done > 0.0 ? duration(elapsed / done * (last_ - first_ - done)) : "-";
}

void TrainTable::update(const MetricsRow& row, int index, int conditions) {
  const int iteration = row.record.iteration;
  const double done = iteration - first_ + (index + 1.0) / conditions;
  live_.show(fmt::format("iteration {} of {}, condition {} of {}, {} left", iteration + 1, last_,
                         index + 1, conditions, left(done)));
}

void TrainTable::row(const std::vector<MetricsRow>& conditions) {
  if (quiet_) return;
  live_.clear();
  const auto mean = [&](auto&& value) {
    double sum = 0.0;
    for (const MetricsRow& row : conditions) sum += value(row);
    return sum / static_cast<double>(conditions.size());
  };
  const auto report = [&](double UpdateReport::*field) {
    return short_number(mean([&](const MetricsRow& row) { return row.record.report.*field; }));
  };
  double lowest = conditions.front().record.report.cost_min;
  for (const MetricsRow& row : conditions) lowest = std::min(lowest, row.record.report.cost_min);
  const int iteration = conditions.front().record.iteration;

  std::string text;
  if (!header_) {
    text = fmt::format("{:>5} {:>11} ± {:<10} {:>10} {:>10} {:>9} {:>9} {:>8} {:>9} {:>8}\n",
                       "iter", "cost mean", "std", "min", "model", "KL", "residual", "success",
                       "distance", "left");
    header_ = true;
  }
  text +=
      fmt::format("{:>5} {:>11} ± {:<10} {:>10} {:>10} {:>9} {:>9} {:>8} {:>9} {:>8}\n",
                  iteration + 1, report(&UpdateReport::cost_mean), report(&UpdateReport::cost_std),
                  short_number(lowest), report(&UpdateReport::cost_model_mean),
                  report(&UpdateReport::kl_mean), report(&UpdateReport::residual_ratio),
                  percent(mean([](const MetricsRow& row) { return row.success_rate; })),
                  short_number(mean([](const MetricsRow& row) { return row.distance_mean; })),
                  left(iteration + 1 - first_));
  print(text);
}

}  // namespace pilqr::command
