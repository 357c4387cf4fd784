# Compiler flags that every target of ours carries, in one interface target.
add_library(layermark_options INTERFACE)
target_compile_options(layermark_options INTERFACE -Wall -Wextra -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns of overlaps in its own std::string concatenation once it optimises (GCC bug 105651).
  target_compile_options(layermark_options INTERFACE -Wno-restrict)
endif()
target_compile_definitions(layermark_options INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_include_directories(layermark_options INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
if(LAYERMARK_WERROR)
  target_compile_options(layermark_options INTERFACE -Werror)
endif()
if(LAYERMARK_SANITIZE STREQUAL "address")
  target_compile_options(layermark_options INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(layermark_options INTERFACE -fsanitize=address,undefined)
elseif(LAYERMARK_SANITIZE STREQUAL "thread")
  target_compile_options(layermark_options INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(layermark_options INTERFACE -fsanitize=thread)
endif()

if(LAYERMARK_FUZZ_TARGETS)
  # Everything is instrumented; only the targets get libFuzzer's main.
  target_compile_options(layermark_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(LAYERMARK_CCACHE ccache)
if(LAYERMARK_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LAYERMARK_CCACHE})
endif()
