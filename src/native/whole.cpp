// Everything that uses libtorch, as one unit: reading its headers takes longer than compiling the rest.

#include "batched.cpp"
#include "count.cpp"
#include "frame_attention.cpp"
#include "shim.cpp"
#include "token_attention.cpp"
