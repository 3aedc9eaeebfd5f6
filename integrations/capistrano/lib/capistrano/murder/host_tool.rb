# frozen_string_literal: true

require "digest/sha2" # not "digest", which loads SHA-2 when first used: from several threads that fails

require "capistrano/murder/error"

module Capistrano
  module Murder
    # What the tasks of old do on a host besides running murder there. `backend` is the one of the
    # `on` block.
    class HostTool
      def initialize(hand, folder)
        @hand = hand
        @folder = folder
      end

      # The murder of a host: the one that distribute_files put there, else an installed one. Raises
      # Error when there is none.
      def on(backend)
        return path if backend.test("[ -x #{@hand.quote(path)} ]")
        return "murder" if backend.test("command -v murder >/dev/null")

        raise Error, "there is no murder at #{path}, and none is installed: run murder:distribute_files"
      end

      # The binary that deploys put onto hosts has no compressor.
      def packs?(backend)
        backend.test("#{on(backend)} --help | grep -q '^  pack '")
      end

      # Uploads the binary for the host's machine unless that very one is there.
      def distribute(backend, binary)
        local = binary.path(backend.capture(:uname, "-m"))
        return backend.info("has it already") if digest_there(backend) == Digest::SHA256.file(local).hexdigest

        fresh = "#{path}.new"
        backend.execute(:mkdir, "-p", @hand.quote(@folder.call))
        backend.upload!(local, fresh)
        backend.execute(:chmod, "755", @hand.quote(fresh))
        # A program that runs can be replaced, not written to.
        backend.execute(:mv, "-f", @hand.quote(fresh), @hand.quote(path))
        backend.execute(@hand.quote(path), "--version")
      end

      # Where the others reach a host: the address at which ssh reached it, with no DNS asked.
      def address(backend)
        return backend.host.to_s if dry_run?(backend)

        found = backend.capture("echo $SSH_CONNECTION").split[2]
        found or raise Error, "sshd does not say at which address #{backend.host} is reached (SSH_CONNECTION)"
      end

      # Empties the target when that was asked for; raises Error when it is in the way.
      def make_way(backend)
        return if @hand.file?

        target = @hand.quote(@hand.target)
        # Not what an earlier try has fetched.
        inside = "-mindepth 1 -maxdepth 1 ! -name '.murder-*'"
        if @hand.switch?(:unsafe_please_delete)
          backend.execute("if [ -d #{target} ]; then find #{target}/ #{inside} -exec rm -rf {} +; fi")
        elsif !@hand.switch?(:no_tag_directory) && !dry_run?(backend) &&
              backend.test("[ -n \"$(find #{target}/ #{inside} 2>/dev/null)\" ]")
          raise Error, "#{@hand.target} on #{backend.host} is not empty: unsafe_please_delete=1 empties it"
        end
      end

      # From the work folder, which is gone afterwards.
      def put_into_place(backend)
        work, target = [@hand.work_folder, @hand.target].map { |path| @hand.quote(path) }
        tree = "#{work}/releases/#{@hand.tag}"
        if @hand.file?
          others = "! -name #{@hand.quote(ByHand::TORRENT)}"
          backend.execute("find #{work}/ -mindepth 1 -maxdepth 1 -type f #{others} -exec mv -f {} #{target} \\;")
        elsif @hand.switch?(:no_tag_directory)
          # Over what is there, as an archive would be unpacked.
          backend.execute(:cp, "-alf", "#{tree}/.", "#{target}/")
        else
          backend.execute("if [ -d #{target} ]; then rmdir #{target}; fi && mv #{tree} #{target}")
        end
        backend.execute(:rm, "-rf", work)
      end

      private

      def path
        "#{@folder.call}/murder"
      end

      # Whatever is tested is true then.
      def dry_run?(backend)
        backend.is_a?(SSHKit::Backend::Printer)
      end

      def digest_there(backend)
        backend.capture(:sha256sum, @hand.quote(path), "2>/dev/null", "|| true").split.first
      end
    end
  end
end
