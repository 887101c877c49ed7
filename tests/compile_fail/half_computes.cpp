// must not compile: constraint
#include <mlot/primitive/sinkhorn.hpp>

#if MLOT_MUST_NOT_COMPILE
mlot::sinkhorn<mlot::half, mlot::host_memory> const p{};  // half is for storage
#else
mlot::sinkhorn<float, mlot::host_memory> const p{};
#endif
