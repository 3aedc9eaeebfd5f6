# frozen_string_literal: true

require "capistrano/scm/plugin"

require "capistrano/murder/by_hand"
require "capistrano/murder/host_binary"
require "capistrano/murder/host_list"
require "capistrano/murder/host_tool"
require "capistrano/murder/packing"
require "capistrano/murder/program"
require "capistrano/murder/release"
require "capistrano/murder/source"
require "capistrano/murder/version"

module Capistrano
  # Brings releases through a swarm instead of having each host fetch them:
  #
  #   require "capistrano/scm/murder"
  #   install_plugin Capistrano::SCM::Murder
  class SCM::Murder < SCM::Plugin
    def set_defaults
      set_if_empty :murder_binary, -> { ENV.fetch("MURDER_BINARY", "murder") }
      set_if_empty :murder_source, nil
      set_if_empty :murder_options, []
      set_if_empty :murder_path, -> { deploy_path.join("murder") }
      set_if_empty :murder_keep_packs, 1
      Capistrano::Murder::ByHand::DEFAULTS.each { |name, value| set_if_empty name, value }
      set_if_empty :remote_murder_path, -> { shared_path.join("murder") }
    end

    def register_hooks
      after "deploy:new_release_path", "murder:create_release"
      before "deploy:check", "murder:check"
      before "deploy:set_current_revision", "murder:set_current_revision"
      after "deploy:cleanup", "murder:cleanup"
    end

    def define_tasks
      eval_rakefile File.expand_path("tasks/murder.rake", __dir__)
      eval_rakefile File.expand_path("tasks/murder_by_hand.rake", __dir__)
    end

    # Lines for people, outside of an `on` block.
    def output
      @output ||= SSHKit::Backend::Local.new {}
    end

    def rolling_back?
      Rake::Task.task_defined?("deploy:rollback") &&
        Rake::Task["deploy:rollback"].instance_variable_get(:@already_invoked) == true
    end

    # What `on release_roles(:all)` would run on, ROLES= and HOSTS= included.
    def release_hosts
      env.filter(release_roles(:all))
    end

    def host_list
      list = Capistrano::Murder::HostList.new(release_hosts, SSHKit::Backend::Netssh.config.ssh_options)
      list.warnings.each { |warning| output.warn(warning) }
      list
    end

    def program
      Capistrano::Murder::Program.new(fetch(:murder_binary), output)
    end

    def source
      @source ||= if fetch(:murder_source)
                    Capistrano::Murder::Source::Folder.new(fetch(:murder_source))
                  else
                    Capistrano::Murder::Source::Git.new(
                      repo_url: fetch(:repo_url), branch: fetch(:branch), tree: fetch(:repo_tree),
                      cache: fetch(:murder_git_cache), temp: fetch(:murder_export_path), output: output
                    )
                  end
    end

    def release(hosts)
      Capistrano::Murder::Release.new(program, hosts, staging: fetch(:murder_path), options: fetch(:murder_options))
    end

    # The tasks of old.

    def by_hand
      @by_hand ||= Capistrano::Murder::ByHand.new(self)
    end

    def host_tool
      Capistrano::Murder::HostTool.new(by_hand, -> { fetch(:remote_murder_path) })
    end

    def packing
      Capistrano::Murder::Packing.new(by_hand, program)
    end

    def host_binary
      chosen = fetch(:murder_host_binary) || ENV["MURDER_HOST_BINARY"]
      Capistrano::Murder::HostBinary.new(program.path, chosen: chosen)
    end
  end
end
