# SPDX-License-Identifier: Apache-2.0
# What is handed on: source tarball, Debian and RPM packages. All of it is made of the last commit, in $(PACKAGES).
PACKAGES := $(B)/packages
DIST := $(PACKAGES)/cprof-$(VERSION).tar.xz
ARCHS ?= x86_64 aarch64
bundle_of = $(if $(filter $(HOST_ARCH),$(1)),$(B),build-$(1))/bundle
.PHONY: dist deb rpm release image check-packages check-examples setup-packages setup-release setup-image

dist: ## source tarball of the last commit; builds without git, network, protoc-c and esbuild
	$(Q)$(MAKE) $(PB_C) $(B)/report/report.html
	$(Q)packaging/dist $(VERSION) $(B) $(DIST)
deb: setup-packages dist ## Debian packages cprof and cprof-dbgsym, checked by lintian; ARCH=aarch64 with multiarch packages
	$(Q)packaging/deb $(DIST) $(if $(filter-out $(HOST_ARCH),$(ARCH)),-a$(DEB_ARCH) -Pcross)
rpm: setup-packages dist ## RPM package by packaging/cprof.spec
	$(Q)packaging/rpm $(DIST)
check-packages: setup-packages ## all of that, built from the tarball, built twice and compared, installed; P=equal: from two clones
	$(Q)$(MAKE) all
	$(Q)packaging/check $(P)
release: setup-release dist ## tarballs of the bundle with lists of contents and SHA256SUMS; ARCHS=x86_64 for one machine alone
	$(Q)$(foreach arch,$(ARCHS),$(MAKE) $(if $(filter-out $(HOST_ARCH),$(arch)),ARCH=$(arch)) bundle && )\
		packaging/release $(VERSION) $(PACKAGES) $(foreach arch,$(ARCHS),$(arch)=$(call bundle_of,$(arch)))
image: bundle setup-image ## image for init containers and sidecars, as an OCI archive, by buildah
	$(Q)packaging/image $(VERSION) $(PACKAGES) $(ARCH) $(B)/bundle
check-examples: setup-packages bundle ## tries the examples as far as one machine allows; E="kubernetes compose dashboard systemd" needs the network
	$(Q)tests/examples/check $(E)
setup-release:
	$(Q)scripts/setup packages $(if $(filter-out $(HOST_ARCH),$(ARCHS)),arm64)
setup-image:
	$(Q)scripts/setup image
setup-packages:
	$(Q)scripts/setup packages
