# frozen_string_literal: true

require_relative "support"
require "rubygems/package"

class GemTest < Minitest::Test
  HERE = File.expand_path("..", __dir__)

  def test_it_builds_and_has_everything_that_it_requires
    Dir.mktmpdir do |folder|
      file = File.join(folder, "murder.gem")
      said, status = Open3.capture2e("gem", "build", "capistrano-murder.gemspec", "-o", file, chdir: HERE)
      assert status.success?, said
      spec = Gem::Package.new(file).spec
      assert_equal "Apache-2.0", spec.license
      there = Dir.chdir(HERE) { Dir["lib/**/*"].select { |path| File.file?(path) } }
      assert_empty there - spec.files
    end
  end

  def test_it_has_the_projects_license
    assert_equal File.read(File.join(HERE, "../../LICENSE")), File.read(File.join(HERE, "LICENSE"))
  end
end
