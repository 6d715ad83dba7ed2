# Targets of the house: one library a folder, one test program a folder. No global flags: what every target needs
# stands in merganser_options.
add_library(merganser_options INTERFACE)
target_include_directories(merganser_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_compile_options(
  merganser_options
  INTERFACE -Wall
            -Wextra
            -Wshadow
            -Wno-missing-field-initializers
            # GCC 12 sees overlaps in std::string's operator+ that cannot be.
            $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
            # The same bits on every CPU: no fused multiply-add where the source has none.
            -ffp-contract=off
            # Nobody reads errno, so square roots may be taken in vectors.
            -fno-math-errno)

set(MERGANSER_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")
if(MERGANSER_SANITIZE)
  target_compile_options(merganser_options INTERFACE -fsanitize=${MERGANSER_SANITIZE} -fno-omit-frame-pointer -O1
                                                     -fno-sanitize-recover=all)
  target_link_options(merganser_options INTERFACE -fsanitize=${MERGANSER_SANITIZE})
endif()

# merganser_library(<folder> SOURCES a.cpp ... DEPENDS core kernels ... LIBRARIES fmt::fmt ...)
function(merganser_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(merganser_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(merganser_${name} PUBLIC merganser_options)
  foreach(other ${ARG_DEPENDS})
    target_link_libraries(merganser_${name} PUBLIC merganser_${other})
  endforeach()
  target_link_libraries(merganser_${name} PRIVATE ${ARG_LIBRARIES})
endfunction()

# merganser_test(<folder> SOURCES a_test.cpp ... DEPENDS core ... LIBRARIES ...)
function(merganser_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE merganser_options ${ARG_LIBRARIES} GTest::gtest_main)
  target_compile_definitions(${name}_test PRIVATE MERGANSER_TEST_DATA="${PROJECT_SOURCE_DIR}/tests")
  foreach(other ${ARG_DEPENDS})
    target_link_libraries(${name}_test PRIVATE merganser_${other})
  endforeach()
  gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST)
endfunction()
