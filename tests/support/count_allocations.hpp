#pragma once
/// Counts the calls of malloc, those of operator new and of compiled libraries included. To be
/// included by ONE source file of a program: it defines malloc. Needs glibc and no sanitizer, which
/// interpose malloc themselves; PILQR_TEST_COUNTS_MALLOC is defined where it works.

#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define PILQR_TEST_SANITIZED
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(PILQR_TEST_SANITIZED)
#define PILQR_TEST_COUNTS_MALLOC

namespace pilqr::test {
inline thread_local long allocations = 0;
}

extern "C" void* __libc_malloc(std::size_t size);
extern "C" void* malloc(std::size_t size) {
  ++pilqr::test::allocations;
  return __libc_malloc(size);
}
#endif
