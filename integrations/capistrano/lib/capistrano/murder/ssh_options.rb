# frozen_string_literal: true

require "capistrano/murder/error"

module Capistrano
  module Murder
    # What net-ssh is told of one host, in the words of ssh_config(5). murder runs OpenSSH's ssh;
    # SSHKit has a client of its own; both are to reach the same host, as the same user, with the
    # same trust.
    class SSHOptions
      # net-ssh's own affairs, and what murder decides itself: it asks nobody, forwards nothing,
      # watches sessions and logs on its own.
      IGNORED = %i[
        agent_socket_factory append_all_supported_algorithms fingerprint_hash forward_agent
        keepalive keepalive_interval keepalive_maxcount known_hosts languages logger max_pkt_size
        max_win_size minimum_dh_bits non_interactive number_of_password_prompts password_prompt
        properties rekey_blocks_limit rekey_limit rekey_packet_limit remote_user send_env set_env
        timeout verbose
      ].freeze

      LISTS = {
        auth_methods: "PreferredAuthentications",
        encryption: "Ciphers",
        hmac: "MACs",
        host_key: "HostKeyAlgorithms",
        kex: "KexAlgorithms"
      }.freeze

      FILES = {
        global_known_hosts_file: "GlobalKnownHostsFile",
        user_known_hosts_file: "UserKnownHostsFile"
      }.freeze

      WORDS = {
        bind_address: "BindAddress",
        host_key_alias: "HostKeyAlias",
        host_name: "HostName"
      }.freeze

      NO_SECRETS = {
        key_data: "a private key is not written to disk: name its file in :keys, or let an agent hold it",
        passphrase: "murder asks nobody and types nothing: let ssh-agent hold the key",
        password: "murder logs in with a key or an agent only"
      }.freeze

      attr_reader :lines, :warnings, :user, :port, :config

      # `options`: as Net::SSH.start takes them. `name`: the host's, for messages. Raises Error for
      # what would lead to another host, or to less trust, if it were left out.
      def initialize(name, options)
        @name = name
        @lines = []
        @warnings = []
        @config = true
        options.each { |key, value| translate(key.to_sym, value) unless value.nil? }
      end

      private

      def translate(key, value)
        case key
        when *IGNORED then nil
        when *LISTS.keys then line(LISTS[key], list(value))
        when *FILES.keys then line(FILES[key], Array(value).map { |file| quoted(path(file)) }.join(" "))
        when *WORDS.keys then line(WORDS[key], quoted(value))
        when *NO_SECRETS.keys then warnings << "ssh_options[:#{key}] is not used for #{@name}: #{NO_SECRETS[key]}"
        else respond_to?("set_#{key}", true) ? send("set_#{key}", value) : unknown(key)
        end
      end

      def unknown(key)
        warnings << "ssh_options[:#{key}] is not used for #{@name}: ssh has nothing of the kind that is known here; " \
                    "~/.ssh/config counts, too"
      end

      def set_user(value)
        @user = value.to_s
      end

      def set_port(value)
        @port = Integer(value)
      end

      def set_config(value)
        @config = value
      end

      def set_keys(value)
        Array(value).each { |key| line("IdentityFile", quoted(path(key))) }
      end

      def set_keycerts(value)
        Array(value).each { |key| line("CertificateFile", quoted(path(key))) }
      end

      def set_keys_only(value)
        line("IdentitiesOnly", yes_or_no(value))
      end

      def set_use_agent(value)
        line("IdentityAgent", "none") unless value
      end

      def set_compression(value)
        line("Compression", yes_or_no(value))
      end

      def set_compression_level(_value); end

      def set_check_host_ip(value)
        line("CheckHostIP", yes_or_no(value))
      end

      def set_paranoid(value)
        set_verify_host_key(value)
      end

      # net-ssh's :never also takes a host whose key has changed, and remembers nothing.
      def set_verify_host_key(value)
        case value
        when false, :never
          line("StrictHostKeyChecking", "no")
          line("UserKnownHostsFile", "/dev/null")
          line("GlobalKnownHostsFile", "/dev/null")
        when true, :very, :accept_new, :accept_new_or_local_tunnel
          line("StrictHostKeyChecking", "accept-new")
        when :always, :secure then line("StrictHostKeyChecking", "yes")
        else refuse(":verify_host_key", "#{value.class} cannot be told to ssh: use :always, :accept_new or :never")
        end
      end

      def set_proxy(value)
        if value.respond_to?(:jump_proxies)
          line("ProxyJump", quoted(value.jump_proxies))
        elsif value.respond_to?(:command_line_template)
          line("ProxyCommand", one_line(value.command_line_template))
        else
          refuse(":proxy", "#{value.class} cannot be told to ssh: use Net::SSH::Proxy::Jump or " \
                           "Net::SSH::Proxy::Command, or ProxyJump in ~/.ssh/config")
        end
      end

      def refuse(option, why)
        raise Error, "ssh_options[#{option}] of #{@name}: #{why}; or set MURDER_SSH to a command that reaches it"
      end

      def line(keyword, value)
        lines << "#{keyword} #{value}"
      end

      def yes_or_no(value)
        value ? "yes" : "no"
      end

      def list(value)
        one_line(Array(value).join(","))
      end

      def path(value)
        File.expand_path(value.to_s).gsub("%", "%%")
      end

      def quoted(value)
        text = one_line(value.to_s)
        refuse_quote(text) if text.include?('"')
        text.match?(/\s|#/) ? "\"#{text}\"" : text
      end

      def refuse_quote(text)
        raise Error, "ssh_options of #{@name}: #{text} has a quote in it, which ssh's configuration cannot have"
      end

      def one_line(value)
        text = value.to_s
        raise Error, "ssh_options of #{@name}: #{text.inspect} has more than one line" if text.match?(/[\r\n\0]/)

        text
      end
    end
  end
end
