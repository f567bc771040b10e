// SPDX-License-Identifier: Apache-2.0
// What browsers have and TypeScript 4.8 does not know yet.
declare class DecompressionStream { constructor(format: string); readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array>; }
declare class CompressionStream { constructor(format: string); readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array>; }
// Debian's packages of d3 come without types.
declare module 'd3-axis';
declare module 'd3-brush';
declare module 'd3-scale';
declare module 'd3-selection';
declare module 'd3-time-format';
