#pragma once
/// Semantic version of the headers. CMake reads it from here.
#define MLOT_VERSION_MAJOR 0
#define MLOT_VERSION_MINOR 1
#define MLOT_VERSION_PATCH 0
