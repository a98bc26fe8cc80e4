internal import Foundation

/// The wall clock: for signatures and names of time slots, never for waiting.
package enum WallClock {
    /// Since 1970.
    package static func seconds() -> Int64 { Int64(Date().timeIntervalSince1970) }
}
