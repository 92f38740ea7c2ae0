#pragma once
/// Register tiles: the one kernel behind the sweeps, the marginals and the regression.
///
/// All of them are sums of products  out(i, j) = init(i, j) +- sum_k a(i, k) b(j, k)  of a few
/// dozen rows. A matrix library spends more time on packing such operands than on arithmetic. Here
/// a tile of R vectors x C columns of `out` stays in registers while k runs over all products, with
/// one load and one store: `a` is read a vector of rows at a time, numbers of `b` are broadcast.
///
/// Sizes known at compile time are compiled into the caller; all others are in the library, for
/// every instruction set, of which the program chooses when it starts.
///
/// Rows are handled in whole vectors. `a` and `init` must be readable, and `out` writable, for
/// `padded(rows)` rows of every column, as Panel and Sequence are; what stands there has no
/// meaning. With PILQR_PLAIN_TILES, or on a compiler without vector extensions, `full` and `lower`
/// are those of `plain`: the same sums by Eigen, column by column.

#include "pilqr/core/types.hpp"

#if !defined(__GNUC__) && !defined(PILQR_PLAIN_TILES)
#define PILQR_PLAIN_TILES
#endif

/// Without it g++ keeps the tile in memory.
#if defined(__GNUC__)
#define PILQR_ALWAYS_INLINE [[gnu::always_inline]] inline
#else
#define PILQR_ALWAYS_INLINE inline
#endif

/// Sums of products of small matrices, by register tiles.
namespace pilqr::tile {

/// Columns of padded buffers begin at multiples of this, whatever the vectors of the machine.
inline constexpr int padding = 8;
constexpr int padded(int n) {
  return (n + padding - 1) / padding * padding;
}  ///< n, made up to a multiple of the padding

/// N, or n where that is known at run time only: loops over it get a constant bound.
template <int N>
PILQR_ALWAYS_INLINE constexpr int size(int n) {
  return N == Dynamic ? n : N;
}

/// A column-major matrix to read.
struct Input {
  const double* data;  ///< entry (0, 0); nullptr: a matrix of zeros
  int stride;          ///< numbers from column to column
  [[nodiscard]] PILQR_ALWAYS_INLINE Input at(int i, int j) const {
    return {data == nullptr ? nullptr : data + i + Eigen::Index{j} * stride, stride};
  }  ///< from row i and column j on
};
/// A column-major matrix to write.
struct Output {
  double* data;  ///< entry (0, 0)
  int stride;    ///< numbers from column to column
  [[nodiscard]] PILQR_ALWAYS_INLINE Output at(int i, int j) const {
    return {data + i + Eigen::Index{j} * stride, stride};
  }  ///< from row i and column j on
};
inline constexpr Input zero{nullptr, 0};  ///< no matrix: zeros

/// An Eigen object by columns.
template <class Derived>
PILQR_ALWAYS_INLINE Input input(const Eigen::DenseBase<Derived>& m) {
  return {m.derived().data(), static_cast<int>(m.derived().colStride())};
}
template <class Derived>
PILQR_ALWAYS_INLINE Input input_transposed(const Eigen::DenseBase<Derived>& m) {
  return {m.derived().data(), static_cast<int>(m.derived().rowStride())};
}  ///< a row-major Eigen object as its transpose

/// Sign * sum_k a(i, k) b(j, k), k < depth, b(j, k) = b[j * row + k * column].
template <int Sign>
struct Product {
  Input a;          ///< rows x depth
  const double* b;  ///< entry (0, 0)
  /// Numbers from row to row of b.
  int row, column;  ///< from column to column of b
  int depth;        ///< products in the sum
  /// The same with its first row at i and its first column at j.
  [[nodiscard]] PILQR_ALWAYS_INLINE Product at(int i, int j) const {
    return {a.at(i, 0), b + Eigen::Index{j} * row, row, column, depth};
  }
  [[nodiscard]] PILQR_ALWAYS_INLINE double factor(int j, int k) const {
    return Sign * b[Eigen::Index{j} * row + Eigen::Index{k} * column];
  }  ///< Sign * b(j, k)
};

/// sum_k a(i, k) b(j, k) with a symmetric b of which only the triangle j >= k is read, as `lower`
/// writes it.
struct SymmetricProduct {
  Input a;        ///< rows x depth
  Input b;        ///< depth x depth
  int depth;      ///< products in the sum
  int first = 0;  ///< the row of b that j counts from
  [[nodiscard]] PILQR_ALWAYS_INLINE SymmetricProduct at(int i, int j) const {
    return {a.at(i, 0), b, depth, first + j};
  }  ///< the same with its first row at i and its first column at j
  [[nodiscard]] PILQR_ALWAYS_INLINE double factor(int j, int k) const {
    j += first;
    return j > k ? *b.at(j, k).data : *b.at(k, j).data;
  }  ///< b(j, k)
};

/// + A B with the `depth` columns of A, as are those that follow.
PILQR_ALWAYS_INLINE Product<1> times(Input a, Input b, int depth) {
  return {a, b.data, b.stride, 1, depth};
}
PILQR_ALWAYS_INLINE Product<1> times_transposed(Input a, Input b, int depth) {
  return {a, b.data, 1, b.stride, depth};
}  ///< + A B'
PILQR_ALWAYS_INLINE Product<-1> minus_times(Input a, Input b, int depth) {
  return {a, b.data, b.stride, 1, depth};
}  ///< - A B
PILQR_ALWAYS_INLINE Product<-1> minus_times_transposed(Input a, Input b, int depth) {
  return {a, b.data, 1, b.stride, depth};
}  ///< - A B'
/// + A B with the lower triangle of a symmetric B.
PILQR_ALWAYS_INLINE SymmetricProduct times_symmetric(Input a, Input b, int depth) {
  return {a, b, depth};
}

/// What `lower` leaves in a column reaches up to the multiple of this at or above the diagonal: a
/// tile of columns never straddles one.
inline constexpr int group = 8;

namespace plain {

template <class Term>
void add_column(int m, int j, double* out, const Term& term) {
  for (int k = 0; k < term.depth; ++k) {
    Eigen::Map<VectorX>(out, m) +=
        Eigen::Map<const VectorX>(term.a.at(0, k).data, m) * term.factor(j, k);
  }
}  ///< adds column j of a term of m rows

/// out = init + terms, m x n.
template <int M, int N, class... Terms>
void full(int m, int n, Output out, Input init, const Terms&... terms) {
  for (int j = 0; j < n; ++j) {
    Eigen::Map<VectorX> column(out.at(0, j).data, m);
    if (init.data == nullptr) {
      column.setZero();
    } else {
      column = Eigen::Map<const VectorX>(init.at(0, j).data, m);
    }
    (add_column(m, j, column.data(), terms), ...);
  }
}

/// The same for the entries i >= j of an n x n matrix, and above the diagonal within a group.
template <int N, class... Terms>
void lower(int n, Output out, Input init, const Terms&... terms) {
  for (int i = 0; i < n; i += group) {
    plain::full<Dynamic, Dynamic>(n - i, n - i < group ? n - i : group, out.at(i, i), init.at(i, i),
                                  terms.at(i, i)...);
  }
}

/// y += factor x, over all `padded(n)` entries of a panel's columns, as are those that follow.
inline void add_scaled(int n, double* y, double factor, const double* x) {
  Eigen::Map<VectorX>(y, padded(n)) += factor * Eigen::Map<const VectorX>(x, padded(n));
}
inline void rotate(int n, double* x, double* y, double cosine, double sine) {
  for (int i = 0; i < padded(n); ++i) {
    const double left = x[i];
    x[i] = cosine * left - sine * y[i];
    y[i] = sine * left + cosine * y[i];
  }
}  ///< [x y] <- [x y] [c s; -s c]
inline double dot(int n, const double* x, const double* y) {
  return Eigen::Map<const VectorX>(x, padded(n)).dot(Eigen::Map<const VectorX>(y, padded(n)));
}  ///< x'y

}  // namespace plain

#if defined(PILQR_PLAIN_TILES)
using plain::add_scaled, plain::dot, plain::full, plain::lower, plain::rotate;
#else

using Plus = Product<1>;
using Minus = Product<-1>;
/// out = init + terms, m x n, for sizes known at run time: in the library.
void dynamic_full(int m, int n, Output out, Input init);
void dynamic_full(int m, int n, Output out, Input init, const Plus&);
void dynamic_full(int m, int n, Output out, Input init, const Minus&);
void dynamic_full(int m, int n, Output out, Input init, const Plus&, const Plus&);
void dynamic_full(int m, int n, Output out, Input init, const Plus&, const Minus&);
void dynamic_full(int m, int n, Output out, Input init, const Plus&, const Plus&, const Plus&);
void dynamic_full(int m, int n, Output out, Input init, const SymmetricProduct&);

// The names that follow differ with the flags of the file that includes them.
#if defined(__AVX512F__)
inline namespace avx512 {
inline constexpr int width = 8;
#elif defined(__AVX2__) && defined(__FMA__)
inline namespace avx2 {
inline constexpr int width = 4;
#elif defined(__AVX__)
inline namespace avx {
inline constexpr int width = 4;
#else
inline namespace baseline {
inline constexpr int width = 2;
#endif
inline constexpr int registers = width == 8 ? 32 : 16;
/// A vector register; loads and stores need no alignment.
using Pack [[gnu::vector_size(8 * width), gnu::aligned(8), gnu::may_alias]] = double;

PILQR_ALWAYS_INLINE Pack load(const double* p) {
  return *reinterpret_cast<const Pack*>(p);
}
PILQR_ALWAYS_INLINE void store(double* p, Pack value) {
  *reinterpret_cast<Pack*>(p) = value;
}

/// The largest tile: vectors of rows, and columns when it has `r` of them. The accumulators leave
/// registers for a column of `a`; the numbers of `b` are broadcast from memory.
inline constexpr int max_vectors = registers == 32 ? 6 : 3;
constexpr int max_columns(int r) {
  return registers == 32 && r <= 3 ? 8 : 4;
}

/// Keeps a value in its register: g++ would rather load a column anew for each product with it, as
/// part of the multiplication, and run out of loads. Without fused multiply-adds products take
/// registers of their own, and there is none to spare.
PILQR_ALWAYS_INLINE void hold([[maybe_unused]] Pack& value) {
#if defined(__x86_64__) && defined(__FMA__)
  asm("" : "+v"(value));
#endif
}

template <int R, int C, int Sign>
PILQR_ALWAYS_INLINE void accumulate(Pack (&acc)[C][R], const Product<Sign>& p) {
  const double* a = p.a.data;
  const double* b = p.b;
  for (int k = 0; k < p.depth; ++k) {
    alignas(8 * width) Pack column[R];
    for (int r = 0; r < R; ++r) {
      column[r] = load(a + r * width);
      hold(column[r]);
    }
    for (int c = 0; c < C; ++c) {
      const double factor = b[Eigen::Index{c} * p.row];
      for (int r = 0; r < R; ++r) {
        if constexpr (Sign > 0) acc[c][r] += column[r] * factor;
        if constexpr (Sign < 0) acc[c][r] -= column[r] * factor;
      }
    }
    a += p.a.stride;
    b += p.column;
  }
}

template <int R, int C>
PILQR_ALWAYS_INLINE void accumulate(Pack (&acc)[C][R], const SymmetricProduct& p) {
  const int left = p.first < p.depth ? p.first : p.depth;  // columns k left of the tile's own
  accumulate(acc, times_transposed(p.a, p.b.at(p.first, 0), left));
  accumulate(acc, times(p.a.at(0, left), p.b.at(left, p.first), p.depth - left));
}

template <int R, int C, class... Terms>
PILQR_ALWAYS_INLINE void single(int j, Output out, Input init, const Terms&... terms) {
  alignas(8 * width) Pack acc[C][R];  // clang takes it for aligned, whatever Pack says
  for (int c = 0; c < C; ++c) {
    for (int r = 0; r < R; ++r) {
      acc[c][r] = init.data == nullptr ? Pack{} : load(init.at(r * width, j + c).data);
    }
  }
  (accumulate(acc, terms.at(0, j)), ...);
  for (int c = 0; c < C; ++c) {
    for (int r = 0; r < R; ++r) store(out.at(r * width, j + c).data, acc[c][r]);
  }
}

/// The last c <= C columns, from j.
template <int R, int C, class... Terms>
PILQR_ALWAYS_INLINE void remainder(int c, int j, Output out, Input init, const Terms&... terms) {
  if constexpr (C > 0) {
    if (c == C) {
      single<R, C>(j, out, init, terms...);
    } else {
      remainder<R, C - 1>(c, j, out, init, terms...);
    }
  }
}

/// R vectors of rows, all n columns.
template <int R, int N, class... Terms>
PILQR_ALWAYS_INLINE void strip(int n, Output out, Input init, const Terms&... terms) {
  constexpr int C = max_columns(R);
  int j = 0;
  for (; j + C <= n; j += C) single<R, C>(j, out, init, terms...);
  if constexpr (N == Dynamic) {
    remainder<R, C - 1>(n - j, j, out, init, terms...);
  } else if constexpr (N % C != 0) {
    single<R, N % C>(j, out, init, terms...);
  }
}

/// Height of the first strip of `vectors`: strips are of even height.
constexpr int strip_height(int vectors) {
  const int strips = (vectors + max_vectors - 1) / max_vectors;
  return (vectors + strips - 1) / strips;
}

template <int M, int N, class... Terms>
PILQR_ALWAYS_INLINE void fixed_full(Output out, Input init, const Terms&... terms) {
  constexpr int R = strip_height((M + width - 1) / width);
  strip<R, N>(N, out, init, terms...);
  if constexpr (R * width < M) {
    constexpr int i = R * width;
    fixed_full<M - i, N>(out.at(i, 0), init.at(i, 0), terms.at(i, 0)...);
  }
}

template <int R, class... Terms>
PILQR_ALWAYS_INLINE void strip_of(int r, int n, Output out, Input init, const Terms&... terms) {
  if constexpr (R > 0) {
    if (r == R) {
      strip<R, Dynamic>(n, out, init, terms...);
    } else {
      strip_of<R - 1>(r, n, out, init, terms...);
    }
  }
}

/// Not inlined: every size of tile is in here.
template <class... Terms>
[[gnu::noinline]] void register_full(int m, int n, Output out, Input init, const Terms&... terms) {
  int vectors = (m + width - 1) / width;
  for (int i = 0; vectors > 0;) {
    const int r = strip_height(vectors);
    strip_of<max_vectors>(r, n, out.at(i, 0), init.at(i, 0), terms.at(i, 0)...);
    vectors -= r;
    i += r * width;
  }
}

/// Terms that the library lacks.
template <class... Terms>
PILQR_ALWAYS_INLINE void dynamic_full(int m, int n, Output out, Input init, const Terms&... terms) {
  register_full(m, n, out, init, terms...);
}

/// Whether m rows are worth a call into the library: if the caller has no flags for wider vectors.
constexpr bool library_is_faster([[maybe_unused]] int m) {
#if defined(__x86_64__)
  return width == 2 && m >= 16;
#else
  return false;
#endif
}

/// out = init + terms, m x n; M and N are m and n where they are known at compile time.
template <int M, int N, class... Terms>
PILQR_ALWAYS_INLINE void full(int m, int n, Output out, Input init, const Terms&... terms) {
  if constexpr (M != Dynamic && N != Dynamic && !library_is_faster(M)) {
    fixed_full<M, N>(out, init, terms...);
  } else {
    dynamic_full(m, n, out, init, terms...);
  }
}

/// The same for the entries i >= j of an n x n matrix, and above the diagonal within a group.
template <int N, class... Terms>
PILQR_ALWAYS_INLINE void lower(int n, Output out, Input init, const Terms&... terms) {
  if constexpr (N == Dynamic || library_is_faster(N)) {
    for (int i = 0; i < n; i += group) {
      dynamic_full(n - i, n - i < group ? n - i : group, out.at(i, i), init.at(i, i),
                   terms.at(i, i)...);
    }
  } else {
    fixed_full<N, (N < group ? N : group)>(out, init, terms...);
    if constexpr (N > group) {
      lower<N - group>(N - group, out.at(group, group), init.at(group, group),
                       terms.at(group, group)...);
    }
  }
}

/// y += factor x, over all `padded(n)` entries of a panel's columns.
PILQR_ALWAYS_INLINE void add_scaled(int n, double* y, double factor, const double* x) {
  for (int i = 0; i < padded(n); i += width) store(y + i, load(y + i) + load(x + i) * factor);
}

/// [x y] <- [x y] [c s; -s c], over the same entries.
PILQR_ALWAYS_INLINE void rotate(int n, double* x, double* y, double cosine, double sine) {
  for (int i = 0; i < padded(n); i += width) {
    const Pack left = load(x + i);
    const Pack right = load(y + i);
    store(x + i, left * cosine - right * sine);
    store(y + i, left * sine + right * cosine);
  }
}

/// x'y over the same entries.
PILQR_ALWAYS_INLINE double dot(int n, const double* x, const double* y) {
  Pack sums{};
  for (int i = 0; i < padded(n); i += width) sums += load(x + i) * load(y + i);
  double sum = 0.0;
  for (int i = 0; i < width; ++i) sum += sums[i];
  return sum;
}

}  // namespace avx512, avx2, avx or baseline

#endif

}  // namespace pilqr::tile
