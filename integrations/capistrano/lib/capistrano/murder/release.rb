# frozen_string_literal: true

require "shellwords"

require "capistrano/murder/error"

module Capistrano
  module Murder
    # Gets a release through the swarm into a folder of murder's own on each host, from where it is
    # renamed into place. It is never seen half-way among Capistrano's releases; what an interrupted
    # deploy has brought is where the next one finds it.
    class Release
      # Given by the plugin, or Capistrano's own affair.
      TAKEN = %w[--to --hosts --host --where --json --stage-only --dry-run --help -h --report].freeze
      OTHERS = %w[--waves --pause --check --check-url --check-timeout --check-retries --check-interval --pre-activate
                  --post-activate --hook-timeout --rollback-on-failure --link-shared --keep --wait --max-failures].freeze

      # `staging`: DEST of murder on the hosts. `options`: further flags of `murder deploy`.
      def initialize(program, hosts, staging:, options: [])
        @program = program
        @hosts = hosts
        @staging = staging.to_s
        @options = options.map(&:to_s)
        check_options
      end

      # Returns murder's Progress, and where the release is on every host. Raises Error that names each
      # host that has not got it.
      def stage(source)
        ended = source.with_files do |files|
          @program.on_hosts(["deploy", files, "--to", @staging, "--stage-only", *source.flags, *@options], @hosts)
        end
        raise Error, "#{standing(ended.progress)}: #{reasons(ended)}" unless ended.success?
        raise Error, "murder ended well and did not say what the release is called" if ended.progress.tag.to_s.empty?

        [ended.progress, "#{@staging}/releases/#{ended.progress.tag}"]
      end

      # Packs beyond the newest `keep` away.
      def prune(keep)
        @program.on_hosts(["prune", "--to", @staging, "--keep", keep.to_s], @hosts, quiet: true)
      end

      def doctor
        @program.on_hosts(["doctor", "--to", @staging], @hosts, quiet: true)
      end

      # Why a command on the hosts did not succeed.
      def reasons(ended)
        failed = ended.progress.failed
        words = failed.map { |report| reason(report) }
        words << ended.progress.problem if ended.progress.problem && failed.empty?
        words << ended.talk.last if words.empty? && ended.talk.any?
        "#{words.join('; ')} (murder ended with status #{ended.status})"
      end

      private

      def check_options
        named = @options.map { |option| option[/\A-[^=]*/] }.compact
        taken = named & TAKEN
        raise Error, ":murder_options cannot have #{taken.join(', ')}: the plugin gives it" if taken.any?

        others = named & OTHERS
        raise Error, ":murder_options cannot have #{others.join(', ')}: murder only brings the release here, and " \
                     "Capistrano switches to it, checks and cleans up" if others.any?
        return unless named.include?("--sudo")

        raise Error, ":murder_options cannot have --sudo: Capistrano could not change what root owns; give the user of " \
                     "the deploy its folder"
      end

      def standing(progress)
        return "the release could not be deployed" if progress.reports.empty?

        good = progress.good.map { |report| report["host"] }
        missing = "the release is not on #{counted(progress.failed.size)} of #{progress.reports.size}"
        missing += good.empty? ? ", nor on any other" : "; it waits on #{names(good)}, where the next deploy finds it"
        "#{missing}; nothing was switched"
      end

      def reason(report)
        "#{report['host']}: #{report['reason'] || report['state']}"
      end

      def counted(number)
        number == 1 ? "1 host" : "#{number} hosts"
      end

      def names(hosts)
        hosts.size > 8 ? "#{hosts.size} others" : hosts.join(", ")
      end
    end
  end
end
