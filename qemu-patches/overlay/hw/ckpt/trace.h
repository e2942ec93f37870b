#include "trace/trace-hw_ckpt.h"
