# frozen_string_literal: true

require "digest/sha2"
require "fileutils"
require "open3"
require "tmpdir"

require "capistrano/murder/error"

module Capistrano
  module Murder
    # What is deployed. Both kinds answer to check, revision and with_files.
    module Source
      # A folder (or file, or pack) that is deployed as it is: what a build left.
      class Folder
        def initialize(path)
          @path = File.expand_path(path.to_s)
        end

        def to_s
          @path
        end

        # Raises Error when there is nothing to deploy.
        def check
          raise Error, "cannot deploy #{@path}, which :murder_source names: it is not there; build it first" unless
            File.exist?(@path)
          raise Error, "cannot deploy #{@path}: the folder is empty" if File.directory?(@path) && Dir.empty?(@path)
        end

        # Unknown: the release is called by its content.
        def revision
          nil
        end

        def flags
          []
        end

        def with_files
          check
          yield @path
        end
      end

      # A revision of a git repository, or a folder of it, as `git archive` gives it: without .git,
      # without what .gitattributes marks as export-ignore, and without submodules.
      class Git
        # `repo_url`: nil is the repository in the current folder. `cache`: where mirrors of remote
        # ones are kept. `output`: told what is done.
        def initialize(repo_url:, branch:, tree: nil, cache: nil, temp: nil, output: nil)
          @repo_url = repo_url.to_s
          @branch = branch.to_s
          @tree = tree.to_s.gsub(%r{\A/+|/+\z}, "")
          @cache = cache || default_cache
          @temp = temp || Dir.tmpdir
          @output = output
        end

        def to_s
          [@repo_url.empty? ? repository : @repo_url, @branch, @tree].reject(&:empty?).join(" ")
        end

        # Raises Error when the repository cannot be reached or has no such branch. Changes nothing.
        def check
          return revision unless remote?

          said = git!("cannot reach", "ls-remote", "--quiet", @repo_url)
          return if said.lines.any? { |line| names_of_branch.include?(line.split("\t").last.to_s.chomp) }
          return if @branch.match?(/\A\h{7,40}\z/) # any commit

          raise Error, "cannot find #{@branch} in #{@repo_url}: set :branch to a branch, a tag or a commit that it has"
        end

        # The commit, in full.
        def revision
          @revision ||= begin
            update_mirror if remote?
            found, status = Open3.capture2e("git", "-C", repository, "rev-parse", "--verify", "--quiet",
                                            "--end-of-options", "#{@branch}^{commit}")
            raise Error, "cannot find #{@branch} in #{repository}: set :branch to a branch, a tag or a commit that " \
                         "it has" unless status.success?

            found.strip
          end
        end

        # .gitignore and the like are part of the release, as with Capistrano's own plugin.
        def flags
          ["--include-vcs"]
        end

        # Yields a folder that is gone afterwards.
        def with_files
          warn_of_what_is_left_out
          Dir.mktmpdir("murder-export-", @temp) do |folder|
            files = File.join(folder, "release")
            Dir.mkdir(files, 0o755)
            export(files)
            raise Error, "cannot deploy #{self}: there is nothing in it" if Dir.empty?(files)

            yield files
          end
        end

        private

        def remote?
          !@repo_url.empty? && !File.directory?(@repo_url)
        end

        def repository
          return File.join(@cache, "#{Digest::SHA256.hexdigest(@repo_url)[0, 16]}.git") if remote?

          @repository ||= git!("cannot find a git repository in", "-C", @repo_url.empty? ? Dir.pwd : @repo_url,
                               "rev-parse", "--absolute-git-dir").strip
        end

        def default_cache
          File.join(ENV.fetch("XDG_CACHE_HOME") { File.join(Dir.home, ".cache") }, "capistrano-murder")
        end

        def update_mirror
          if File.directory?(File.join(repository, "objects"))
            git!("cannot fetch from", "-C", repository, "remote", "update", "--prune")
          else
            FileUtils.mkdir_p(@cache, mode: 0o700)
            git!("cannot clone", "clone", "--quiet", "--mirror", @repo_url, repository)
          end
        end

        def names_of_branch
          [@branch, "refs/heads/#{@branch}", "refs/tags/#{@branch}"]
        end

        # The same modes whatever the umask here, so that the same commit is the same release.
        def export(files)
          pick = @tree.empty? ? [] : ["--", @tree]
          strip = @tree.empty? ? 0 : @tree.split("/").size
          archive = ["git", "-C", repository, "-c", "tar.umask=0022", "archive", "--format=tar", revision, *pick]
          unpack = ["tar", "-x", "-p", "--no-same-owner", "--strip-components=#{strip}", "-f", "-", "-C", files]
          File.open(File.join(File.dirname(files), "said"), "w+") do |said|
            ended = Open3.pipeline([*archive, { err: said }], [*unpack, { err: said }])
            next if ended.all?(&:success?)

            said.rewind
            raise Error, "cannot export #{self}: #{said.read.strip}"
          end
        end

        def warn_of_what_is_left_out
          return unless @output

          _, status = Open3.capture2e("git", "-C", repository, "cat-file", "-e", "#{revision}:.gitmodules")
          @output.warn("submodules are not deployed: build a folder that has them, and set :murder_source to it") if
            status.success?
          @output.warn("what is not committed here is not deployed") if changed_here?
        end

        def changed_here?
          return false if remote? || @repo_url != ""

          said, status = Open3.capture2("git", "status", "--porcelain", "--untracked-files=no", err: File::NULL)
          status.success? && !said.empty?
        end

        # git's stdout; raises Error with what it said.
        def git!(failure, *arguments)
          said, complaint, status = Open3.capture3({ "LC_ALL" => "C" }, "git", *arguments)
          return said if status.success?

          raise Error, "#{failure} #{@repo_url.empty? ? Dir.pwd : @repo_url}: #{complaint.strip}"
        rescue Errno::ENOENT
          raise Error, "#{failure} #{@repo_url}: git is not installed on this machine"
        end
      end
    end
  end
end
