#include "pilqr/core/linalg.hpp"

#include <algorithm>

namespace pilqr {
namespace {

using tile::group;

double& at(tile::Output A, int i, int j) {
  return *A.at(i, j).data;
}
double at(tile::Input A, int i, int j) {
  return *A.at(i, j).data;
}
tile::Input input(tile::Output A) {
  return {A.data, A.stride};
}
void scale(int n, double* x, double factor) {
  for (int i = 0; i < tile::padded(n); ++i) x[i] *= factor;
}

}  // namespace

bool cholesky_in_place(int n, tile::Output A, double least_pivot) {
  for (int g = 0; g < n; g += group) {
    const int columns = std::min(group, n - g);
    double least[group];
    for (int j = 0; j < columns; ++j) least[j] = least_pivot * at(A, g + j, g + j);
    const tile::Output block = A.at(g, g);
    tile::full<Dynamic, Dynamic>(
        n - g, columns, block, input(block),
        tile::minus_times_transposed(input(A.at(g, 0)), input(A.at(g, 0)), g));
    for (int j = 0; j < columns; ++j) {
      double* column = block.at(0, j).data;
      const double pivot = column[j];
      if (!(pivot > 0.0 && pivot >= least[j]) || !std::isfinite(pivot)) return false;
      scale(n - g, column, 1.0 / std::sqrt(pivot));
      for (int k = j + 1; k < columns; ++k) {
        tile::add_scaled(n - g, block.at(0, k).data, -column[k], column);
      }
    }
  }
  return true;
}

void solve_transposed_from_right(int m, int n, tile::Output X, tile::Input L) {
  for (int g = 0; g < n; g += group) {
    const int columns = std::min(group, n - g);
    const tile::Output block = X.at(0, g);
    tile::full<Dynamic, Dynamic>(m, columns, block, input(block),
                                 tile::minus_times_transposed(input(X), L.at(g, 0), g));
    for (int j = g; j < g + columns; ++j) {
      scale(m, X.at(0, j).data, 1.0 / at(L, j, j));
      for (int k = j + 1; k < g + columns; ++k) {
        tile::add_scaled(m, X.at(0, k).data, -at(L, k, j), X.at(0, j).data);
      }
    }
  }
}

void solve_from_right(int m, int n, tile::Output X, tile::Input L) {
  for (int g = (n - 1) / group * group; g >= 0; g -= group) {
    const int end = std::min(g + group, n);
    const tile::Output block = X.at(0, g);
    tile::full<Dynamic, Dynamic>(m, end - g, block, input(block),
                                 tile::minus_times(input(X.at(0, end)), L.at(end, g), n - end));
    for (int j = end - 1; j >= g; --j) {
      scale(m, X.at(0, j).data, 1.0 / at(L, j, j));
      for (int k = g; k < j; ++k) {
        tile::add_scaled(m, X.at(0, k).data, -at(L, j, k), X.at(0, j).data);
      }
    }
  }
}

}  // namespace pilqr
