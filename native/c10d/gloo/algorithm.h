// libtorch contains gloo but not its headers. c10d's header of ProcessGroupGloo names a few of gloo's classes; the files
// in this folder declare what that header needs, and no more.
#pragma once
