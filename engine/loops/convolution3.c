#define SIDE 3
#include "convolution.h"
