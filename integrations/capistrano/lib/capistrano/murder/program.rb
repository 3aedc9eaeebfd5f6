# frozen_string_literal: true

require "json"
require "open3"
require "shellwords"
require "tmpdir"

require "capistrano/murder/error"
require "capistrano/murder/progress"

module Capistrano
  module Murder
    # The murder binary on the machine that runs cap.
    class Program
      Ended = Struct.new(:status, :progress, :talk) do
        def success?
          status.zero?
        end
      end

      # An output that leaves out what is for information alone.
      Quiet = Struct.new(:output) do
        def info(message)
          output.debug(message)
        end

        def method_missing(level, message)
          output.public_send(level, message)
        end

        def respond_to_missing?(level, include_all = false)
          output.respond_to?(level, include_all)
        end
      end

      # `binary`: a path, or a name to be found in PATH.
      def initialize(binary, output)
        @binary = binary.to_s
        @output = output
      end

      # Where it really lies; raises Error when it is not there.
      def path
        @path ||= File.realpath(found || raise(Error, "cannot run murder: there is no #{@binary}#{in_path}; install it, " \
                                                      "or set :murder_binary to where it is"))
      end

      def version
        said, status = Open3.capture2e(path, "--no-config", "--version")
        raise Error, "cannot run #{path}: #{said.strip}" unless status.success?

        said.strip
      end

      # Runs `murder COMMAND… --hosts - --json` for these hosts, telling the output what happens.
      # A signal is handed on once and the end awaited, so that murder can say where each host stands.
      # `quiet`: what goes well is nobody's concern.
      def on_hosts(command, hosts, quiet: false)
        progress = Progress.new(quiet ? Quiet.new(@output) : @output, hosts.entries.size)
        Dir.mktmpdir("murder-ssh-") do |folder|
          argv = [path, *command, "--hosts", "-", "--json"]
          @output.debug("#{argv.shelljoin} < #{hosts.entries.size} hosts")
          status, talk = run(environment(folder, hosts), argv, hosts.to_s, progress)
          return Ended.new(status, progress, talk)
        end
      end

      private

      def found
        return (File.expand_path(@binary) if runs?(File.expand_path(@binary))) if @binary.include?("/")

        ENV.fetch("PATH", "").split(":").map { |folder| File.join(folder, @binary) }.find { |file| runs?(file) }
      end

      def runs?(file)
        File.file?(file) && File.executable?(file)
      end

      def in_path
        @binary.include?("/") ? "" : " in PATH"
      end

      # MURDER_SSH is the user's last word.
      def environment(folder, hosts)
        return {} unless ENV["MURDER_SSH"].to_s.empty?

        config = File.join(folder, "config")
        File.write(config, hosts.ssh_config, perm: 0o600)
        { "MURDER_SSH" => ["ssh", "-F", config].shelljoin }
      end

      def run(environment, argv, list, progress)
        Open3.popen3(environment, *argv, pgroup: true) do |stdin, stdout, stderr, process|
          [stdout, stderr].each { |stream| stream.set_encoding(Encoding::UTF_8) } # whatever LANG says
          talk = Thread.new { talk_of(stderr) }
          feed(stdin, list)
          listen(stdout, process, progress)
          [status_of(process.value), talk.value]
        end
      end

      def talk_of(stderr)
        said = []
        stderr.each_line { |line| said << line.chomp.tap { |text| @output.debug(text) } }
        said
      rescue IOError
        said # it was broken off
      end

      def feed(stdin, list)
        stdin.write(list)
      rescue Errno::EPIPE
        nil # it has ended, and says why
      ensure
        stdin.close
      end

      def listen(stdout, process, progress)
        signalled = nil
        begin
          stdout.each_line { |line| progress.add(JSON.parse(line)) }
        rescue SignalException => e
          @output.warn("stopping murder; once more to end at once") unless signalled
          signalled ||= e
          tell(process, e.signo)
          retry
        end
        raise signalled if signalled
      rescue JSON::ParserError => e
        tell(process, :TERM)
        raise Error, "#{path} does not speak as expected (is it murder?): #{e.message}"
      end

      def tell(process, signal)
        Process.kill(signal, process.pid)
      rescue Errno::ESRCH
        nil # it has just ended
      end

      def status_of(status)
        status.exited? ? status.exitstatus : 128 + status.termsig
      end
    end
  end
end
