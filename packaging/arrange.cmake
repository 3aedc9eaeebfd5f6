# Run by CPack on what `cmake --install` has put together, before it becomes a package.
#   TGZ  the program that needs the C library alone takes the place of the other
#   DEB  what Debian's policy wants: compressed manuals, copyright and changelog, /etc and /lib
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})

if(CPACK_GENERATOR STREQUAL "TGZ")
  file(COPY_FILE ${CPACK_MURDER_PORTABLE} ${root}/bin/murder)
  return()
endif()

set(doc ${root}/usr/share/doc/murder)
file(COPY_FILE ${CPACK_MURDER_PACKAGING}/debian/copyright ${doc}/copyright)
file(MAKE_DIRECTORY ${root}/usr/share/lintian/overrides)
file(COPY_FILE ${CPACK_MURDER_PACKAGING}/debian/lintian-overrides ${root}/usr/share/lintian/overrides/murder)
file(REMOVE ${doc}/LICENSE)
file(REMOVE ${doc}/CHANGELOG.md)
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${doc}/changelog
     "murder (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium\n\n"
     "  * Release ${CPACK_PACKAGE_VERSION}; what has changed: CHANGELOG.md of the sources.\n\n"
     " -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")
file(GLOB manuals ${root}/usr/share/man/man1/*.1)
execute_process(COMMAND gzip -9n ${doc}/changelog ${manuals} COMMAND_ERROR_IS_FATAL ANY)
file(MAKE_DIRECTORY ${root}/etc/murder)
file(COPY_FILE ${doc}/examples/murder.toml ${root}/etc/murder/murder.toml)
file(MAKE_DIRECTORY ${root}/lib)
file(RENAME ${root}/usr/lib/systemd ${root}/lib/systemd)
file(MAKE_DIRECTORY ${root}/var/lib/murder)
execute_process(COMMAND chmod -R u=rwX,go=rX ${root} COMMAND_ERROR_IS_FATAL ANY)
