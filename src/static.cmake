# murder-MACHINE: what a host needs of murder (host_main.cpp has the commands), of the same objects,
# as one file that needs nothing: what deploy puts onto hosts. No shared library may come in, so that
# the archives are named one by one; libfmt, of which Debian has no archive, is made here. Those of
# the control side are not among them, so that nobody brings it in by accident.
#
# -static-pie rather than -static: addresses stay random in a program that listens, and a throw finds
# its handler by a table instead of sorting all of them first (1.1 ms a start instead of 3.1).
add_library(murder_fmt STATIC static_fmt.cpp)
target_link_libraries(murder_fmt PRIVATE murder_options)

get_property(libraries GLOBAL PROPERTY MURDER_LIBRARIES)
list(REMOVE_ITEM libraries murder_fleet murder_sim murder_lab murder_tls)
set(archives "")
foreach(library ${libraries} murder_fmt)
  list(APPEND archives $<TARGET_FILE:${library}>)
endforeach()
foreach(name zstd crypto z)
  find_library(MURDER_ARCHIVE_${name} lib${name}.a)
  if(NOT MURDER_ARCHIVE_${name})
    message(FATAL_ERROR "no lib${name}.a here, which the static binary needs; -DMURDER_STATIC=OFF does without it")
  endif()
  list(APPEND archives ${MURDER_ARCHIVE_${name}})
endforeach()

add_executable(murder_static host_main.cpp static_names.cpp)
add_dependencies(murder_static ${libraries} murder_fmt)
target_link_libraries(murder_static PRIVATE murder_options -Wl,--start-group ${archives} -Wl,--end-group)
target_link_options(murder_static PRIVATE -static-pie -Wl,--gc-sections -s)
if(LLD)
  # A bit instead of 24 bytes for most of what is relocated at the start.
  target_link_options(murder_static PRIVATE -Wl,--pack-dyn-relocs=relr)
endif()
set_target_properties(murder_static PROPERTIES
                      OUTPUT_NAME murder-${CMAKE_SYSTEM_PROCESSOR}
                      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
                      LINK_DEPENDS "${archives}")

# As it travels over ssh, so that the first deploy does not wait until it is compressed.
find_program(MURDER_XZ xz)
if(MURDER_XZ)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    set(filter --x86)
  endif()
  add_custom_command(TARGET murder_static POST_BUILD
                     COMMAND ${MURDER_XZ} --check=crc32 ${filter} --lzma2=preset=6e --keep --force $<TARGET_FILE:murder_static>
                     COMMENT "Compressing murder-${CMAKE_SYSTEM_PROCESSOR}" VERBATIM)
endif()

# murder-portable: all of murder, needing of the machine only the C library: what the tarball has.
# Names are resolved by that, as its administrator has set it up, so that it is not static to the end.
get_property(libraries GLOBAL PROPERTY MURDER_LIBRARIES)
set(archives "")
foreach(library ${libraries} murder_fmt)
  list(APPEND archives $<TARGET_FILE:${library}>)
endforeach()
foreach(name zstd ssl crypto z lzma sqlite3)
  find_library(MURDER_ARCHIVE_${name} lib${name}.a)
  list(APPEND archives ${MURDER_ARCHIVE_${name}})
endforeach()
add_executable(murder_portable EXCLUDE_FROM_ALL main.cpp)
add_dependencies(murder_portable ${libraries} murder_fmt)
target_link_libraries(murder_portable PRIVATE murder_options -Wl,--start-group ${archives} -Wl,--end-group)
target_link_options(murder_portable PRIVATE -static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,-z,relro,-z,now -s)
set_target_properties(murder_portable PROPERTIES
                      OUTPUT_NAME murder-portable
                      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
                      LINK_DEPENDS "${archives}")
