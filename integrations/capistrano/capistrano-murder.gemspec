# frozen_string_literal: true

require_relative "lib/capistrano/murder/version"

Gem::Specification.new do |spec|
  spec.name = "capistrano-murder"
  spec.version = Capistrano::Murder::VERSION
  spec.authors = ["The murder authors"]
  spec.summary = "Capistrano deploys through a swarm: every server passes on what it has"
  spec.description = <<~TEXT
    An SCM plugin for Capistrano 3. The release goes to every host at once with murder, which needs
    nothing on the hosts but sshd; Capistrano links, publishes, cleans up and rolls back as ever.
  TEXT
  spec.license = "Apache-2.0"
  spec.required_ruby_version = ">= 2.7"
  spec.files = Dir.chdir(__dir__) { Dir["lib/**/*.{rb,rake}"].sort + %w[LICENSE README.md] }
  spec.require_paths = ["lib"]
  spec.add_runtime_dependency "capistrano", "~> 3.11"
  spec.add_development_dependency "minitest", "~> 5.0"
  spec.metadata["rubygems_mfa_required"] = "true"
end
