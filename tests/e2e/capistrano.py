"""A Capistrano project on the control machine of a fleet lab: real `cap`, real ssh, and nothing but
what a Capfile and a deploy.rb can say.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
GEM = REPOSITORY / "integrations/capistrano"

CAPFILE = f"""\
$LOAD_PATH.unshift "{GEM}/lib"
require "capistrano/setup"
require "capistrano/deploy"
require "capistrano/scm/murder"
install_plugin Capistrano::SCM::Murder
"""

_IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a",
             "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_CONFIG_GLOBAL": "/dev/null"}


class Project:
    """`deploy_rb`: what its config/deploy.rb says besides where the hosts are."""

    def __init__(self, lab, murder, static_binary, folder):
        missing = [name for name in ("cap", "git", "ruby") if shutil.which(name) is None]
        if missing:
            pytest.skip(f"not installed: {' '.join(missing)}")
        self.lab, self._murder, self._static_binary = lab, murder, static_binary
        self.folder = folder / "project"
        (self.folder / "config/deploy").mkdir(parents=True)
        (self.folder / "Capfile").write_text(CAPFILE)
        self.configure()

    def configure(self, deploy_rb="", servers=None):
        """config/deploy.rb and the stage "production", whose servers are all hosts unless told."""
        lab = self.lab
        (self.folder / "config/deploy.rb").write_text(f"""\
set :application, "app"
set :deploy_to, "{lab.dest}"
set :branch, ENV.fetch("BRANCH", "HEAD")
set :format, :simpletext
set :log_level, :info
set :murder_binary, "{self._murder}"
set :keep_releases, 3
set :ssh_options, config: false, keys: ["{lab.key}"], keys_only: true, use_agent: false,
                  user: "root", verify_host_key: :always, timeout: 60,
                  user_known_hosts_file: "{lab.folder}/known_hosts"
{deploy_rb}
""")
        if servers is None:
            servers = "".join(f'server "{host.address}", roles: %w[app]\n' for host in lab.hosts)
        (self.folder / "config/deploy/production.rb").write_text(servers)

    def commit(self, message="change"):
        """All that lies in the project now; the commit's id."""
        if not (self.folder / ".git").exists():
            self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments):
        return subprocess.run(["git", "-C", self.folder, *arguments], check=True, text=True,
                              capture_output=True, timeout=60, env={**os.environ, **_IDENTITY}).stdout

    def start(self, *arguments, env=None):
        """cap, in the background, as Running."""
        return self.lab.start_program(
            "cap", "production", *arguments, cwd=self.folder,
            env={"MURDER_SSH": "", "MURDER_HOST_BINARY": str(self._static_binary), "LANG": "C.UTF-8",
                 **(env or {})})

    def cap(self, *arguments, expect=0, env=None, timeout=300):
        """cap to its end, as Result."""
        result = self.start(*arguments, env=env).wait(timeout)
        assert expect is None or result.status == expect, result
        return result


def releases(host):
    """Names of what Capistrano has there, oldest first."""
    folder = host.dest / "releases"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def current(host):
    """The name of the release that is live; None: none is."""
    link = host.dest / "current"
    return os.path.basename(os.readlink(link)) if link.is_symlink() else None


def live_folder(host):
    """The release that is live, as seen from outside."""
    return host.dest / "releases" / current(host)


def packs(host):
    """Tags whose packs murder keeps there."""
    folder = host.dest / "murder/.murder/packs"
    return sorted(entry.name.removesuffix(".torrent") for entry in folder.glob("*.torrent"))
