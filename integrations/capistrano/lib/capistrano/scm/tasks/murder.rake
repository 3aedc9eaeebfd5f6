# frozen_string_literal: true

# Capistrano's part of murder: what `cap STAGE deploy` runs. `plugin` is for use within `on` blocks.
plugin = self

namespace :murder do
  desc "Check that murder runs here, that the source is there, and that it can be told of all hosts"
  task :check do
    if dry_run?
      plugin.output.info("would look for #{plugin.source}")
      next
    end
    hosts = plugin.host_list
    plugin.release(hosts) # refuses flags that it cannot be given
    next if plugin.rolling_back? # nothing is brought

    plugin.source.check
    plugin.output.info("#{plugin.program.version}: #{plugin.source} to #{hosts.entries.size} hosts")
  end

  desc "Bring the release through the swarm to every host, into release_path"
  task :create_release do
    if dry_run?
      plugin.output.info("would bring #{plugin.source} to #{plugin.release_hosts.map(&:to_s).join(', ')}")
      next
    end
    hosts = plugin.host_list
    if hosts.empty?
      plugin.output.warn("no host is to get the release")
      next
    end

    progress, staged = plugin.release(hosts).stage(plugin.source)
    plugin.output.info(progress.summary)
    set :murder_tag, progress.tag
    on release_roles(:all) do
      target = release_path.to_s.shellescape
      if test("[ -e #{target} ]")
        raise Capistrano::Murder::Error, "cannot put the release into #{release_path}: something is there already"
      end
      execute :mkdir, "-p", releases_path.to_s.shellescape
      execute :mv, staged.shellescape, target
      # `deploy:rollback` goes by it. murder gives a release the same time on every host.
      execute :touch, target
    end
  end

  desc "Determine the revision that is deployed: the commit, or for a build what murder calls its content"
  task :set_current_revision do
    next if dry_run?

    set :current_revision, plugin.source.revision || fetch(:murder_tag)
  end

  desc "Remove packs that murder keeps on the hosts, but the newest :murder_keep_packs"
  task :cleanup do
    next if dry_run?

    hosts = plugin.host_list
    next if hosts.empty?

    release = plugin.release(hosts)
    ended = release.prune([Integer(fetch(:murder_keep_packs)), 1].max)
    next if ended.success?

    plugin.output.warn("old packs stay on some hosts until the next deploy: #{release.reasons(ended)}")
  end

  desc "Say what would stand in the way of a deploy, host by host"
  task :doctor do
    next if dry_run?

    release = plugin.release(plugin.host_list)
    ended = release.doctor
    raise Capistrano::Murder::Error, "something stands in the way of a deploy: see above" unless ended.success?

    plugin.output.info("nothing stands in the way of a deploy")
  end
end
