// The low-level interface of libfuse, in the version that all of this folder is written for.
#ifndef LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_FUSE_API_H_
#define LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_FUSE_API_H_

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#endif  // LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_FUSE_API_H_
