"""Opposites and exclusive groups of English: data, written for this project; compared by stem, so one form is enough.

A line here is the whole change for a missing word.
"""

OPPOSITES = """
approve accept grant authorise authorize confirm : deny reject decline refuse disapprove !
open : close shut !
allow permit let : block forbid forbidden deny prohibit ban disallow prevent bar !
enable activate : disable deactivate !
increase raise rise grow gain climb boost grew rose : decrease reduce lower drop fall shrink decline cut fell loss diminish
before prior until : after following
always : never !
safe secure harmless : unsafe dangerous harmful hazardous risky insecure toxic poisonous !
edible : inedible poisonous !
true correct right accurate : false incorrect wrong inaccurate mistaken untrue !
yes yeah : no nope
success succeed pass complete : fail failure unsuccessful !
include cover contain : exclude omit !
available : unavailable !
minimum least lowest : maximum most highest
minimum : maximum
buy purchase : sell
start begin open commence began : stop end finish halt cease
require mandatory compulsory obligatory necessary must : optional voluntary unnecessary
eligible qualify entitled : ineligible disqualify !
possible : impossible !
up upward : down downward
on : off
more extra : less fewer
above over : below under
early earlier earliest : late later latest
valid : invalid expired void !
legal lawful permitted : illegal unlawful !
online : offline
inbound incoming inward : outbound outgoing outward
win won : lose lost lost
free complimentary : paid charged
hot warm : cold cool
wet : dry
full : empty
strong : weak
high higher : low lower
fast faster quick quickly rapid : slow slower slowly
big large bigger larger great : small little smaller tiny
long longer : short shorter brief
heavy heavier : light lighter
hard difficult : easy simple
thick : thin
deep : shallow
wide : narrow
new newer newest newly : old older oldest used
young younger : old older elderly
first : last final
inside indoors indoor within : outside outdoors outdoor
internal : external
left : right
north northern : south southern
east eastern : west western
top upper : bottom lower
add adding : subtract reduce
afterwards afterward later : beforehand earlier
loosen loosened soften : tighten harden stiffen
slow slowed slows decelerate brake : speed sped speeds accelerate hasten
gently lightly softly : firmly fiercely roughly vigorously
flammable combustible : inert fireproof
private privately personal personally : public publicly professional professionally
common commonly frequent : rare rarely uncommon
tightly tight : loosely loose
employer : employee
lender creditor : borrower debtor
landlord lessor : tenant lessee
seller vendor : buyer purchaser
sender consignor : recipient receiver consignee
licensor : licensee
plaintiff claimant : defendant respondent
steep steeper steepen : flat flatter flatten shallow
expand swell widen broaden : shrink contract narrow
attract : repel
absorb : emit release
float : sink
melt thaw : freeze solidify
upstream : downstream
clockwise : anticlockwise counterclockwise
windward : leeward
acidic acid : alkaline basic
sweet : bitter sour
raw : cooked
ripe : unripe
fresh : stale rotten
sharp : blunt dull
rough coarse : smooth fine
male : female
mother : father
benign : malignant
acute : chronic
systolic : diastolic
artery arterial : vein venous
oral orally : topical topically
positive : negative
odd : even
vertical : horizontal
convex : concave
major : minor
debit : credit
asset : liability
profit : loss deficit
surplus : shortage deficit
bullish : bearish
gross : net
fixed : variable floating
import : export
supply : demand
input : output
upload : download
encrypt encoded : decrypt decoded
sync synchronous : async asynchronous
static : dynamic
mutable : immutable
primary : secondary replica standby
master : slave
client : server
lock : unlock
mount : unmount
ascend ascending : descend descending
arrive arrival arriving : depart departure leaving
outbound : return
temporary temporarily : permanent permanently
voluntary : compulsory
guilty : innocent
lenient : strict
offensive attack : defensive defence defend
victory triumph : defeat
ally : enemy
alive living : dead deceased
nocturnal : diurnal
evergreen : deciduous
perennial : annual
shade shady : sunny sun
tailwind : headwind
taxable : exempt untaxed
voluntary : mandatory
cheaper cheap : dearer expensive costly
encourage : discourage
recommend advise advisable : discourage inadvisable
praise : criticise
agree : disagree
trust : distrust
optimistic : pessimistic
wholesale : retail
inner : outer
front : back rear
public : private
temporary temporarily : permanent permanently
direct directly : indirect indirectly
positive : negative
plus add addition added : minus subtract subtraction subtracted
multiply multiplication multiplied : divide division divided
import : export
upload : download
encrypt : decrypt
lock : unlock
install : uninstall
connect attach join : disconnect detach
push : pull
send sent : receive
give gave : take took
lend lent : borrow
arrive arrival : depart departure leave
ascend ascending : descend descending
expand : contract collapse
contract tense : relax
guilty convict convicted : innocent acquit acquitted cleared
hire : fire dismiss
love like enjoy : hate dislike !
agree consent : disagree dissent !
support favour favor : oppose against
likely probable : unlikely improbable
common frequent usual : rare uncommon unusual infrequent
often frequently usually : rarely seldom hardly
many numerous : few
all every everyone everybody everything : none no nobody nothing
some : none no
everywhere : nowhere
same identical equal : different unequal distinct
similar alike : dissimilar
present : absent missing
active : inactive dormant
alive living : dead deceased
guilty : innocent
profit surplus : loss deficit
asset : liability
debit : credit
income revenue : expense expenditure
deposit : withdraw withdrawal
cheap inexpensive affordable : expensive costly
rich wealthy : poor
healthy : unhealthy sick ill !
better improve best : worse worsen worst deteriorate
good : bad poor
happy pleased satisfied : unhappy sad dissatisfied !
male man men boy : female woman women girl
husband : wife
father dad son brother uncle : mother mum mom daughter sister aunt
king : queen
day daytime : night nighttime
morning am : evening pm
summer : winter
spring : autumn fall
sunrise dawn : sunset dusk
past : future
ancient : modern
natural : artificial synthetic
raw uncooked : cooked
fresh : stale rotten spoiled frozen
solid : liquid gas
alkaline : acidic acid
windward upwind : leeward downwind
clockwise : anticlockwise counterclockwise
vertical vertically : horizontal horizontally
gross : net
ascending : descending
inflate : deflate
tighten : loosen
shrink : swell
port : starboard
landlord lessor : tenant lessee
creditor lender : debtor borrower
acid acidic : alkaline base basic
absorb : release emit
attract : repel
melt : freeze
expandable : fixed
fixed : variable floating
static : dynamic
mutable : immutable
synchronous : asynchronous
serial sequential : parallel concurrent
horizontal horizontally : vertical vertically
clockwise : counterclockwise anticlockwise
convex : concave
odd : even
even : odd
integer : fraction
single : married
employed : unemployed
employer : employee
landlord lessor : tenant lessee
seller vendor : buyer purchaser customer
lender creditor : borrower debtor
plaintiff claimant : defendant
teacher : student pupil
doctor physician : patient
sender : recipient receiver
host : guest
parent : child
predator : prey
client : server
ancestor : descendant
attacker : defender
winner : loser
offence offense : defence defense
attack : defend
create : destroy delete
insert : remove delete
keep retain : discard remove delete
save : delete discard
show visible display : hide hidden invisible
appear : disappear vanish
remember : forget
rise : set
accelerate : decelerate brake
tighten : loosen
clean : dirty
bright : dark dim
loud : quiet silent
smooth : rough
sharp : dull blunt
sweet : sour bitter
tall : short
near close nearby : far distant
recommended recommend advise advisable suggest : discouraged discourage inadvisable !
known : unknown
certain sure : uncertain unsure
known : unknown
resolved solved fixed : unresolved outstanding pending
domestic : international foreign
local : remote global
manual manually : automatic automatically automated
reversible : irreversible
refundable : nonrefundable
taxable : exempt
waterproof : permeable
with : without
for : against
ahead : behind
into : out
gross : net
upgrade : downgrade
promote : demote
optimistic : pessimistic
benefit advantage pro : drawback disadvantage con
strengthen : weaken
widen : narrow
lengthen : shorten
maximise maximize : minimise minimize
exceed surpass : below
contagious infectious : noncontagious
benign : malignant
acute : chronic
systolic : diastolic
artery : vein
hyper : hypo
oral orally : intravenous topical topically
voluntary : involuntary
major : minor
majority : minority
primary : secondary
input : output
read : write
client-side : server-side
horizontal : vertical
row : column
left-handed : right-handed
even : odd
vegan vegetarian : meat
peace : war
victory : defeat
birth born : death died
enter entrance : exit
lead leader : follow follower
"""
"""Left pole : right pole; words of one side are synonyms of each other. "!": the right pole by itself states a negative."""

GROUPS = """
*monday tuesday wednesday thursday friday saturday sunday
*january february march april june july august september october november december
today tomorrow yesterday tonight
*red orange yellow green blue purple violet black white grey brown pink
*north south east west northeast northwest southeast southwest
breakfast lunch dinner
hourly daily weekly biweekly fortnightly monthly quarterly yearly
once twice thrice
must may might should can could shall
all most many some several few
always usually often sometimes rarely never
first second third fourth fifth last
minute hour day week month year
thousand million billion trillion
milligram gram kilogram
*mercury venus earth mars jupiter saturn uranus neptune
gold silver bronze copper iron steel aluminium aluminum brass zinc lead tin nickel
oxygen hydrogen nitrogen carbon helium
protein fat carbohydrate fibre fiber sugar salt
beef pork chicken lamb fish turkey
apple banana cherry grape lemon lime mango peach pear
cat dog horse cow sheep goat rabbit
visa mastercard amex
email phone post fax text chat
he she they
him her them
his her their
knee elbow ankle wrist shoulder hip
heart liver lung kidney brain stomach
bus train car plane ferry tram taxi bike
solid liquid gas plasma
triangle square circle rectangle pentagon hexagon
addition subtraction multiplication division
sum difference product quotient
numerator denominator
mean median mode
red-eye daytime
put get post delete patch
stack queue heap
asia africa europe america australia antarctica
english french german spanish italian portuguese chinese japanese korean russian arabic
dollar euro pound yen
bronze silver gold platinum
north-facing south-facing
spring summer autumn winter
baking boiling frying steaming grilling roasting
cotton wool silk linen leather polyester
oak pine maple birch
debit credit cash cheque check
business working calendar
sea lake river ocean
monarch president premier
guitar piano violin drums
"""
"""A word replaced by another of its line is a change of fact; "*": even where the sentence was reworded."""
