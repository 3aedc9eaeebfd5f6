# frozen_string_literal: true

require "capistrano/murder/error"
require "capistrano/murder/ssh_options"

module Capistrano
  module Murder
    # Capistrano's servers as murder's list of hosts, and how ssh reaches each of them.
    class HostList
      # Labels that mean something to murder: server "web1", murder: { rack: "r7", addr: "10.0.0.1" }
      LABELS = %i[rack addr].freeze

      Entry = Struct.new(:server, :name, :user, :port, :ssh, :labels)

      attr_reader :entries

      # `global_options`: what SSHKit is told of all hosts. Raises Error for a server that murder
      # cannot be told of.
      def initialize(servers, global_options = {})
        @entries = servers.map { |server| entry(server, global_options) }
        refuse_contradictions
      end

      def empty?
        entries.empty?
      end

      def warnings
        entries.flat_map { |entry| entry.ssh.warnings }.uniq
      end

      # As `murder --hosts -` reads it.
      def to_s
        entries.map { |entry| "#{line(entry)}\n" }.join
      end

      # For `ssh -F`: what Capistrano says counts first, then the user's own files.
      def ssh_config
        blocks = entries.uniq(&:name).map { |entry| block(entry) }
        blocks << "Host *\n#{own_files.map { |file| "  Include #{file}\n" }.join}"
        # As net-ssh does, unless somebody said otherwise before.
        blocks << "Host *\n  StrictHostKeyChecking accept-new\n"
        blocks.join("\n")
      end

      private

      def entry(server, global_options)
        name = server.hostname.to_s
        refuse_local(server) if server.local?
        check_name(name)
        ssh = SSHOptions.new(name, options_of(server, global_options))
        # As Net::SSH.start is called: the server's own user comes before all others.
        Entry.new(server, name, presence(server.user) || ssh.user, ssh.port, ssh, labels_of(server, name))
      end

      # In the order in which SSHKit and Capistrano lay them over one another.
      def options_of(server, global_options)
        own = {}
        own[:keys] = server.keys if server.keys.any?
        own[:port] = server.port if server.port
        own[:password] = server.password if server.password
        own.merge(global_options).merge(server.ssh_options || {}).merge(server.fetch(:ssh_options) || {})
      end

      def labels_of(server, name)
        labels = (server.fetch(:murder) || {}).transform_keys(&:to_sym)
        unknown = labels.keys - LABELS
        raise Error, "server #{name}: murder: takes #{LABELS.join(' and ')}, not #{unknown.join(', ')}" if unknown.any?

        labels
      end

      def refuse_local(server)
        raise Error, "server #{server}: murder reaches hosts by ssh; name this machine by an address at which its sshd " \
                     "answers, or give it no_release: true"
      end

      # murder would take brackets for a range.
      def check_name(name)
        return if name.match?(/\A[A-Za-z0-9_][A-Za-z0-9._-]*\z/) || ipv6?(name)

        raise Error, "server #{name}: no name that ssh could be given"
      end

      def ipv6?(name)
        name.match?(/\A[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?\z/)
      end

      def presence(text)
        text.to_s.empty? ? nil : text.to_s
      end

      # ssh_config(5) knows hosts by name alone, not by port.
      def refuse_contradictions
        entries.group_by(&:name).each do |name, same|
          next if same.map { |entry| [entry.ssh.lines, entry.ssh.config] }.uniq.one?

          raise Error, "server #{name} is named with several ports and another ssh_options for each: " \
                       "give it an alias for each in ~/.ssh/config"
        end
        return if entries.map { |entry| entry.ssh.config }.uniq.size <= 1

        raise Error, "ssh_options[:config] has to be the same for all servers"
      end

      def line(entry)
        host = ipv6?(entry.name) ? "[#{entry.name}]" : entry.name
        words = ["#{user_part(entry)}#{host}#{":#{entry.port}" if entry.port}"]
        entry.labels.each { |key, value| words << "#{key}=\"#{value.to_s.gsub(/["\\]/) { |c| "\\#{c}" }}\"" }
        words.join(" ")
      end

      def user_part(entry)
        return "" unless entry.user

        entry.user.match?(/\A[A-Za-z0-9_][A-Za-z0-9._-]*\z/) ? "#{entry.user}@" : ""
      end

      def block(entry)
        lines = entry.ssh.lines
        # What the list of hosts cannot have: DOMAIN\user, user@domain.
        lines += ["User \"#{entry.user}\""] if entry.user && user_part(entry).empty?
        "Host #{entry.name}\n#{lines.map { |line| "  #{line}\n" }.join}"
      end

      # net-ssh reads the same ones.
      def own_files
        config = entries.empty? ? true : entries.first.ssh.config
        case config
        when false, nil then []
        when true then ["~/.ssh/config", "/etc/ssh/ssh_config"]
        else Array(config).map { |file| "\"#{File.expand_path(file)}\"" }
        end
      end
    end
  end
end
