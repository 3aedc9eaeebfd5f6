# frozen_string_literal: true

require "shellwords"

require "capistrano/murder/error"

module Capistrano
  module Murder
    # The tasks that Twitter's Murder had, for scripts that call them: their variables and options,
    # and the command lines that do today what they did. docs/from-murder.md has the whole table.
    class ByHand
      DEFAULTS = {
        default_tag: "",
        default_seeder_files_path: "",
        default_destination_path: "",
        default_temp_path: "/tmp",
        tracker_port: 8998,
        murder_peer_timeout: "10m" # without progress
      }.freeze
      VALUE_OF = {
        tag: :default_tag,
        files_path: :default_seeder_files_path,
        destination_path: :default_destination_path,
        temp_path: :default_temp_path
      }.freeze
      TORRENT = ".murder.torrent" # in a work folder, beside what is fetched
      OFF = %w[0 false no off].freeze

      # `dsl`: answers to fetch, roles and release_roles as Capistrano's DSL does.
      def initialize(dsl, environment = ENV)
        @dsl = dsl
        @environment = environment
      end

      # An option as it was given: tag=v7 on the command line, `set :tag`, or its default_ variable.
      # What is given comes before the default; nil when there is nothing.
      def option(name)
        [@environment[name.to_s], @dsl.fetch(name), @dsl.fetch(VALUE_OF.fetch(name, name))]
          .map(&:to_s).find { |text| !text.empty? }
      end

      def switch?(name)
        value = @environment[name.to_s] || @dsl.fetch(name)
        !value.nil? && value != false && !value.to_s.empty? && !OFF.include?(value.to_s.downcase)
      end

      def tag
        value = option(:tag) or missing("tag", "which transfer is meant")
        return value if value.match?(/\A[A-Za-z0-9._-]{1,128}\z/) && ![".", ".."].include?(value)

        raise Error, "tag=#{value}: a tag is made of letters, digits, '.', '_' and '-'"
      end

      def files_path
        option(:files_path) or missing("files_path", "what on the seeder is to be distributed")
      end

      def destination_path
        value = (option(:destination_path) or missing("destination_path", "where the files are to be on the peers"))
        return value.sub(%r{/+\z}, "") if value.match?(%r{\A/[^/]})

        raise Error, "destination_path=#{value}: an absolute path is needed, and not /"
      end

      # Where the files of this transfer are, or the file.
      def target
        return destination_path if file? || switch?(:no_tag_directory)

        "#{destination_path}/#{tag}"
      end

      # Of a transfer that is under way; beside the target, so that the release is renamed and not copied.
      def work_folder
        "#{file? ? File.dirname(destination_path) : destination_path}/.murder-#{tag}"
      end

      def file?
        switch?(:path_is_file)
      end

      def temp(suffix)
        "#{option(:temp_path)}/#{tag}.#{suffix}"
      end

      # Roles, each with what it is when nobody has it.

      def peers
        named(:peer) || everyone
      end

      def tracker
        (named(:tracker) || everyone).first || raise(Error, "no server is there to be the tracker")
      end

      def seeder
        (named(:seeder) || everyone).first || raise(Error, "no server is there to be the seeder")
      end

      def everybody
        [tracker, seeder, *peers].uniq
      end

      # Command lines, as words that SSHKit joins.

      def pack(address)
        output = file? ? temp("torrent") : temp("tar.zst")
        words("pack", remote(files_path), "-o", quote(output), "--tag", tag, "--tracker", announce(address))
      end

      def announce(address)
        "http://#{address.include?(':') ? "[#{address}]" : address}:#{@dsl.fetch(:tracker_port)}/announce"
      end

      # `address`: its own, by which the others reach it.
      def start_tracker(address)
        any = address.include?(":") ? "[::]" : "0.0.0.0"
        words("tracker", "--daemon", "--listen", "#{any}:#{@dsl.fetch(:tracker_port)}")
      end

      def stop_tracker
        words("stop", "tracker", @dsl.fetch(:tracker_port).to_s)
      end

      def seed(payload)
        words("seed", quote(temp("torrent")), "--from", quote(payload), "--daemon")
      end

      def stop_seeding
        words("stop", "seed", tag)
      end

      def peer
        only = file? ? ["--file-only"] : []
        words("peer", quote("#{work_folder}/#{TORRENT}"), "--to", quote(work_folder), *only, "--detach",
              "--timeout", option(:murder_peer_timeout))
      end

      def stop_peering
        words("stop", "peer", tag)
      end

      def stop_all(role)
        words("stop", role, "--all")
      end

      def quote(path)
        Shellwords.escape(path.to_s)
      end

      # A path on a host, whose shell is to read a ~ at its beginning.
      def remote(path)
        path.start_with?("~") ? path.sub(%r{\A(~[^/]*)(.*)\z}m) { "#{$1}#{$2.empty? ? '' : quote($2)}" } : quote(path)
      end

      private

      # The host's own configuration counts as if the command had been typed there.
      def words(*arguments)
        arguments
      end

      def named(role)
        found = @dsl.roles(role)
        found unless found.empty?
      end

      # As ever: all that get releases, but for those whose only business is a part in the swarm.
      def everyone
        @dsl.release_roles(:all).reject { |server| (server.roles_array - %i[peer tracker seeder]).empty? }
      end

      def missing(name, what)
        raise Error, "#{name}= is needed: #{what}"
      end
    end
  end
end
