package import Hummingbird
internal import Logging
package import NIOCore

/// What a request knows of its connection.
package struct SimulatorContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    package let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}
