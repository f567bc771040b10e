// SPDX-License-Identifier: Apache-2.0
// The types that the modules share. This file has no code. Tables are columns of equal length, and what points
// into a table is an index.

/**
 * @typedef {{ type: string, unit: string }} ValueType
 * @typedef {{ name: string, file: string, module: string, line: number }} Fn
 *   A function, distinct by name and module. line: where it begins, or 0.
 * @typedef {{ fn: Int32Array, line: Int32Array, inlined: Uint8Array }} Frames  distinct (fn, line, inlined)
 * @typedef {{ parent: Int32Array, frame: Int32Array }} Nodes
 *   The tree of stacks. Node 0 is the root, whose frame is -1. A parent's index is lower than its children's.
 * @typedef {{ thread: string, pid: number, labels: Record<string, string> }} LabelSet
 *   labels: all but thread and pid; numbers are texts here.
 * @typedef {{ node: Int32Array, set: Int32Array, values: Float64Array[] }} Samples
 *   Distinct (node, set). values has one column per type: the sum of what is shown without a span.
 * @typedef {{ start: number, end: number, totals: number[], sample: Int32Array, values: Float64Array[] }} Interval
 *   One file of the session's intervals, sparse: sample has indexes of samples. Times are milliseconds of the epoch.
 *
 * @typedef {{
 *   kind: string, side: number, program: string, service: string,
 *   types: ValueType[], defaultType: number,
 *   period: { value: number, type: string, unit: string },
 *   start: number, end: number, comments: string[],
 *   functions: Fn[], frames: Frames, nodes: Nodes, samples: Samples, sets: LabelSet[],
 *   intervals: Interval[], other?: OtherSide
 * }} Profile
 *   All files of one side, program and kind, merged. other: put there by model/align.js, if there are two sides.
 * @typedef {{ name: string, comments: string[], start: number, end: number, values: Float64Array[],
 *             intervals: Interval[] }} OtherSide
 *   What the other side has of each of the profile's samples, per type: its samples are in the same tables.
 *
 * @typedef {{ side: number, program: string, service: string, kind: string, part: 'whole' | 'interval',
 *             start: number, end: number, name: string, bytes: Uint8Array }} DataFile
 *   A pprof file, gzipped or not. start and end may be 0: then the file says.
 * @typedef {{ intervals: number, bytes: number, programs: number }} LeftOut
 * @typedef {{ version: string, live: string, sides: { name: string }[], files: DataFile[], leftOut: LeftOut,
 *             view: string, texts: Record<string, string>, sources: Record<string, string> }} Data
 *   What the page was made with. texts: other files, such as `threads.txt` of a program, by `program/name`.
 *
 * @typedef {{ functions: Fn[], parent: Int32Array, fn: Int32Array, nodeOf: Int32Array, groups: number }} Tree
 *   The stacks by function, as they are shown: lines are merged, hidden functions are gone. Node 0 is the root,
 *   fn -1. nodeOf: the tree's node of each sample. functions: the profile's, and then `groups` titles of groups.
 *
 * @typedef {{
 *   profile: Profile, type: number, unit: string, title: string,
 *   weight: Float64Array, base: Float64Array | null,
 *   total: number, baseTotal: number, whole: number,
 *   baseName: string, name: string,
 *   tree: Tree, matched: Uint8Array | null, matchError: string, moving?: boolean
 * }} Selection
 *   What every view draws, and nothing else. weight: of each sample; 0 for those that filters leave out.
 *   base: the same of what it is compared with, in the same scale, or null. whole: the total without filters.
 *   moving: the reader drags, and what is shown now is shown for a moment.
 *   matched: by function of tree.functions, whether the search finds it; null: nothing is searched for.
 *
 * @typedef {{ span?: [number, number], thread?: string, label?: string, side?: number }} BaseSpec
 *   What a comparison begins with. What is not named is as in the state.
 * @typedef {{
 *   program: string, kind: string, type: number, view: string,
 *   span: [number, number] | null, base: BaseSpec | null,
 *   thread: string, process: number, module: string, label: string,
 *   focus: string, hide: string, collapse: boolean,
 *   search: string, regex: boolean, group: string, colour: string, invert: boolean, upwards: boolean,
 *   fn: string, norm: '' | 'total' | 'time' | 'none', sort: string, ascending: boolean, zoom: string
 * }} State
 *   norm: '' is what normOf() chooses.
 *   fn: 'name' or 'name\tmodule'. label: 'key=value'. group: '', 'thread', 'process' or 'label key'.
 *
 * @typedef {{
 *   state: State,
 *   set: (patch: Partial<State>, how?: { replace?: boolean }) => void,
 *   subscribe: (listener: (state: State, before: State) => void) => () => void,
 *   model: Model, dragging?: boolean
 * }} Store
 *   dragging: the span changes with every picture, so that only the view is drawn that the reader looks at.
 *   set: changes the state and the URL, then tells the listeners. replace: no new entry for the back button.
 * @typedef {{ data: Data, profiles: Profile[], problems: string[], changed: () => void }} Model
 *   problems: files that could not be read, and why. changed: to be called after profiles were replaced, as a live
 *   page or a dropped report does.
 *
 * @typedef {{
 *   id: string, title: string,
 *   applies: (profile: Profile, data: Data) => boolean,
 *   render: (container: HTMLElement, selection: Selection, store: Store) => void
 * }} View
 *   render is called with the same container after each change of the state. It may keep what it made there.
 * @typedef {View & { place: 'above' | 'below' }} Panel
 *   A part of the page that is there with every view: above the views or below them.
 */
export {};
