/// Compiles with the alignment that the library was built with, and with no other.
#include "pilqr/core/types.hpp"

int main() {}
