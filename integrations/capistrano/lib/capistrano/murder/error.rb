# frozen_string_literal: true

module Capistrano
  module Murder
    # Ends the task. Its message says what could not be done, with what, why, and what helps.
    class Error < StandardError; end
  end
end
