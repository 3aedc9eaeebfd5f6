# frozen_string_literal: true

# The task names of Twitter's Murder. None of them is a part of `cap STAGE deploy`.
plugin = self
hand = by_hand
tool = host_tool

namespace :murder do
  desc "Put murder onto the tracker, the seeder and the peers, into :remote_murder_path"
  task :distribute_files do
    next if dry_run?

    binary = plugin.host_binary
    on hand.everybody do
      tool.distribute(self, binary)
    end
  end

  desc "Start a tracker in the background, at :tracker_port"
  task :start_tracker do
    on hand.tracker do
      execute tool.on(self), *hand.start_tracker(tool.address(self))
    end
  end

  desc "Stop the tracker at :tracker_port; that none runs is as good"
  task :stop_tracker do
    on hand.tracker do
      execute tool.on(self), *hand.stop_tracker
    end
  end

  desc "Pack files_path on the seeder as tag, and fetch the torrent to this machine"
  task :create_torrent do
    address = nil
    on hand.tracker do
      address = tool.address(self)
    end
    raise Capistrano::Murder::Error, "the tracker has to be among the hosts, for its address is asked for" unless address

    on hand.seeder do
      if tool.packs?(self)
        execute tool.on(self), *hand.pack(address)
      else
        info "packed on this machine: the murder on #{host} cannot, unless one is installed there"
        plugin.packing.run(self, address)
      end
      # Where start_seeding finds it. The file itself is served: a copy in /tmp would be one too many.
      execute :ln, "-sfn", hand.remote(hand.files_path), hand.quote(hand.temp("payload")) if hand.file?
    end
    invoke "murder:download_torrent" unless hand.switch?(:do_not_download_torrent)
  end

  desc "Fetch the torrent of tag from the seeder to this machine, into temp_path"
  task :download_torrent do
    next if dry_run?

    on hand.seeder do
      download! hand.temp("torrent"), hand.temp("torrent")
    end
  end

  desc "Serve tag from the seeder, in the background"
  task :start_seeding do
    on hand.seeder do
      file = hand.temp("payload")
      payload = test("[ -e #{hand.quote(file)} ]") ? file : hand.temp("tar.zst")
      execute tool.on(self), *hand.seed(payload)
    end
  end

  desc "Stop serving tag from the seeder; that nobody does is as good"
  task :stop_seeding do
    on hand.seeder do
      execute tool.on(self), *hand.stop_seeding
    end
  end

  desc "Stop whatever the seeder serves"
  task :stop_all_seeding do
    on hand.seeder do
      execute tool.on(self), *hand.stop_all("seed")
    end
  end

  desc "Have the peers fetch tag from one another, into destination_path/TAG"
  task :peer do
    torrent = hand.temp("torrent")
    raise Capistrano::Murder::Error, "#{torrent} is not here: run murder:download_torrent" unless
      dry_run? || File.file?(torrent)

    on hand.peers do
      tool.make_way(self)
      execute :mkdir, "-p", hand.quote(hand.work_folder)
      upload! torrent, "#{hand.work_folder}/#{Capistrano::Murder::ByHand::TORRENT}"
      execute tool.on(self), *hand.peer
      tool.put_into_place(self)
    end
  end

  desc "Stop peers that still serve tag to others; that none does is as good"
  task :stop_peering do
    on hand.peers do
      execute tool.on(self), *hand.stop_peering
    end
  end

  desc "Stop all peers"
  task :stop_all_peering do
    on hand.peers do
      execute tool.on(self), *hand.stop_all("peer")
    end
  end

  desc "Remove what create_torrent and peer keep of tag on the seeder and the peers"
  task :clean_temp_files do
    on [hand.seeder, *hand.peers].uniq do
      kept = %w[tar.zst torrent payload].map { |suffix| hand.quote(hand.temp(suffix)) }
      kept << hand.quote(hand.work_folder) if hand.option(:destination_path)
      execute :rm, "-rf", *kept
    end
  end
end
