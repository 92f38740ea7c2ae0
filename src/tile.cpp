// The tiles for sizes known at run time only.
#include "pilqr/core/tile.hpp"

#if !defined(PILQR_PLAIN_TILES)
namespace pilqr::tile {

template void dynamic_full(int, int, Output, Input);
template void dynamic_full(int, int, Output, Input, const Plus&);
template void dynamic_full(int, int, Output, Input, const Minus&);
template void dynamic_full(int, int, Output, Input, const Plus&, const Plus&);
template void dynamic_full(int, int, Output, Input, const Plus&, const Minus&);
template void dynamic_full(int, int, Output, Input, const Plus&, const Plus&, const Plus&);
template void dynamic_full(int, int, Output, Input, const SymmetricProduct&);

}  // namespace pilqr::tile
#endif
