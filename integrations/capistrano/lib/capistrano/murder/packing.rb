# frozen_string_literal: true

require "open3"
require "tmpdir"

require "capistrano/murder/error"

module Capistrano
  module Murder
    # create_torrent where the seeder's murder cannot pack: what it holds is fetched to the machine
    # that runs cap, packed here, and pack and torrent are put where they would be there.
    class Packing
      def initialize(hand, program)
        @hand = hand
        @program = program
      end

      # `backend`: the seeder's. `address`: the tracker's.
      def run(backend, address)
        Dir.mktmpdir("murder-pack-") do |folder|
          source = fetch(backend, folder)
          made = @hand.file? ? [] : ["tar.zst"]
          output = File.join(folder, "made.#{@hand.file? ? 'torrent' : 'tar.zst'}")
          pack(source, output, address)
          [*made, "torrent"].each { |kind| backend.upload!(File.join(folder, "made.#{kind}"), @hand.temp(kind)) }
        end
      end

      private

      # A folder comes as one archive: file by file, links would be lost.
      def fetch(backend, folder)
        path = @hand.remote(@hand.files_path)
        if @hand.file?
          source = File.join(folder, File.basename(@hand.files_path))
          backend.download!(backend.capture("readlink -f #{path}"), source)
          return source
        end
        archive = @hand.temp("tar")
        backend.execute(:tar, "-c", "-C", path, "-f", @hand.quote(archive), ".")
        local = File.join(folder, "tar")
        backend.download!(archive, local)
        backend.execute(:rm, "-f", @hand.quote(archive))
        source = File.join(folder, "files")
        Dir.mkdir(source)
        run_here("tar", "-x", "-p", "--no-same-owner", "-f", local, "-C", source)
        source
      end

      def pack(source, output, address)
        run_here(@program.path, "pack", source, "-o", output, "--tag", @hand.tag, "--tracker", @hand.announce(address))
      end

      def run_here(*command)
        said, status = Open3.capture2e(*command)
        raise Error, "cannot pack #{@hand.files_path}: #{said.strip}" unless status.success?
      end
    end
  end
end
