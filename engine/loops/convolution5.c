#define SIDE 5
#include "convolution.h"
