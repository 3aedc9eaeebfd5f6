# frozen_string_literal: true

require "capistrano/murder/error"

module Capistrano
  module Murder
    # The static binary for hosts, where `murder deploy` looks for it as well.
    class HostBinary
      ALIASES = { "amd64" => "x86_64", "arm64" => "aarch64" }.freeze

      # `murder`: path of the binary of this machine. `chosen`: the one to take, whatever the machine.
      def initialize(murder, chosen: nil)
        @murder = murder
        @chosen = chosen.to_s
      end

      # For a machine as `uname -m` calls it. Raises Error with the places that were looked at.
      def path(machine)
        places(machine).find { |place| File.file?(place) && File.readable?(place) } ||
          raise(Error, "there is no murder for #{machine} hosts here: looked for #{places(machine).join(' and ')}; " \
                       "put one there, or set :murder_host_binary")
      end

      private

      def places(machine)
        return [File.expand_path(@chosen)] unless @chosen.empty?

        name = "murder-#{ALIASES.fetch(machine, machine)}"
        folder = File.dirname(@murder)
        [File.join(folder, name), File.expand_path("../libexec/murder/#{name}", folder)]
      end
    end
  end
end
