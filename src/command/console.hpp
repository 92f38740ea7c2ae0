#pragma once
/// What people read: lines, the table of a training, the live line of a terminal.

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "metrics.hpp"

namespace pilqr::command {

/// The text for a terminal: control characters are shown as \xNN.
std::string printable(std::string_view text);

/// The text, or its beginning of at most so many bytes and "..": no UTF-8 character is cut.
std::string shortened(std::string_view text, std::size_t most);

/// One line on stderr, "pilqr: message"; control characters of the message are shown as \xNN.
void print_error(std::string_view message);

/// Text on stdout, flushed.
void print(std::string_view text);

/// False if something that was printed did not arrive, as on a full disk.
[[nodiscard]] bool output_arrived();

/// A number of about four digits for a table; "-" if there is none.
std::string short_number(double value);
/// "100 %"; "-" if there is none.
std::string percent(double share);
/// "42 s", "3 min", "1.5 h".
std::string duration(double seconds);

/// A line that overwrites itself, on a terminal only.
class LiveLine {
 public:
  /// @param wanted false: never, terminal or not.
  explicit LiveLine(bool wanted);
  ~LiveLine() { clear(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  void show(std::string_view text);
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
};

/// The table of a training: a row per iteration with the means over the conditions.
class TrainTable {
 public:
  /// @param first, last the iterations to do. @param quiet prints nothing. @param live with a live
  /// line; mpirun makes a terminal of its own, whatever stands behind it.
  TrainTable(int first, int last, bool quiet, bool live = true);

  /// After an update of one of `conditions` conditions.
  void update(const MetricsRow& row, int index, int conditions);
  /// After an iteration.
  void row(const std::vector<MetricsRow>& conditions);
  void clear() { live_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] std::string left(double done) const;

  int first_;
  int last_;
  bool quiet_;
  bool header_ = false;
  Clock::time_point start_ = Clock::now();
  LiveLine live_;
};

}  // namespace pilqr::command
